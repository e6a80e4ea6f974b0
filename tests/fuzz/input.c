/* SPDX-License-Identifier: MIT */
/* The bytes of a program, and how a failure is told. */

#include "fuzz.h"

#include <stdarg.h>

static const uint8_t *next;
static const uint8_t *end;

const char *input_name = "input";
size_t step;
const char *step_name = "";

void input_open(const uint8_t *data, size_t size)
{
	next = data;
	end = data + size;
}

bool input_ended(void)
{
	return next == end;
}

unsigned input_byte(void)
{
	return next == end ? 0 : *next++;
}

size_t input_below(size_t n)
{
	return n > 256 ? (input_byte() << 8 | input_byte()) % n : input_byte() % n;
}

/* Not at the end of the bytes, where all of them are 0. */
bool input_one_in(size_t n)
{
	return input_below(n) == n - 1;
}

size_t input_size(void)
{
	const unsigned kind = input_byte();

	if (kind < 200)
		return kind; /* so that small requests take one byte */
	if (kind < 230)
		return (kind - 200) * 256 + input_byte();
	if (kind < 250)
		return (kind - 230) * 4096 + input_byte();
	return ((size_t)(kind - 249) << 17) + input_byte();
}

size_t input_align(void)
{
	const unsigned byte = input_byte();

	return (size_t)1 << (byte < 224 ? byte % 7 : byte % 15);
}

void broken(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: step %zu, %s: ", input_name, step, step_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void trace(const char *format, ...)
{
	static int wanted = -1;
	va_list args;

	if (wanted < 0)
		wanted = getenv("HERD_FUZZ_TRACE") != NULL;
	if (!wanted)
		return;
	fprintf(stderr, "# %zu %s: ", step, step_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}
