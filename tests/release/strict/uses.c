/* SPDX-License-Identifier: MIT */
/*
 * Expands every macro and calls every inlined function of the public headers, in C and in C++ (this file
 * is both): also with sizes of 0, and with those that overflow. It has nothing of its own that the
 * strictest warnings could find. Exits with 0.
 */
#include <herd/adapt.h>
#include <herd/cache.h>
#include <herd/herd.h>
#include <herd/str.h>
#include <herd/vec.h>
#if defined(__cplusplus) && __cplusplus >= 201703L
#include <herd/herd.hpp>
#endif

#ifdef __cplusplus
#define FLEX 1 /* C++ has no flexible array members */
#define EMPTY nullptr
extern "C" {
#else
#define FLEX
#define EMPTY NULL
#endif

typedef struct text_s {
	size_t length;
	char bytes[FLEX];
} text_t;

typedef BUMP_VEC(int) ints_t;

static size_t failures;

static void expect(bool right)
{
	failures += right ? 0 : 1;
}

/* What the compiler can't know. */
static size_t opaque(size_t n)
{
	__asm__("" : "+r"(n));
	return n;
}

static void allocate(bump_t *bump, size_t size)
{
	expect(bump_alloc(bump, size) != EMPTY);
	expect(bump_alloc_aligned(bump, size, 1) != EMPTY);
	expect(bump_alloc_aligned(bump, size, 16) != EMPTY);
	expect(bump_alloc_aligned(bump, size, 4096) != EMPTY);
	expect(bump_alloc_aligned(bump, size, opaque(32)) != EMPTY);
	expect(bump_alloc_array(bump, size, size, 8) != EMPTY);
	expect(bump_alloc_array(bump, size, 8, 32) != EMPTY);
	expect(bump_alloc_flex(bump, 16, 8, size, 1, 8) != EMPTY);
	expect(BUMP_NEW(bump, text_t) != EMPTY);
	expect(BUMP_NEW_ARRAY(bump, text_t, size) != EMPTY);
	expect(BUMP_NEW_FLEX(bump, text_t, bytes, size) != EMPTY);
}

static void allocate_too_much(bump_t *bump)
{
	expect(bump_alloc(bump, opaque(SIZE_MAX)) == EMPTY);
	expect(bump_alloc_aligned(bump, opaque(SIZE_MAX - 7), 4096) == EMPTY);
	expect(bump_alloc_aligned(bump, 8, opaque(0)) == EMPTY);
	expect(bump_alloc_aligned(bump, 8, opaque(24)) == EMPTY);
	expect(bump_alloc_array(bump, opaque(SIZE_MAX / 2), 3, 8) == EMPTY);
	expect(BUMP_NEW_ARRAY(bump, text_t, opaque(SIZE_MAX)) == EMPTY);
	expect(BUMP_NEW_FLEX(bump, text_t, bytes, opaque(SIZE_MAX)) == EMPTY);
	expect(bump_alloc_aligned(bump, 0, 8) != EMPTY);
	expect(bump_alloc_aligned(bump, 0, 64) != EMPTY);
	expect(bump_alloc(bump, 0) != EMPTY);
}

static void scopes(herd_t *herd)
{
	HERD_SCOPE(herd, outer);
	HERD_SCOPE(herd, inner);

	expect(inner != EMPTY && outer != EMPTY);
	if (inner != EMPTY) {
		BUMP_SCOPE(inner);
		BUMP_SCOPE(inner);
		expect(bump_alloc(inner, 1) != EMPTY);
	}
}

static void build_string(bump_t *bump, const char *bytes, size_t n)
{
	bump_str_t s;
	size_t length = 0;

	bump_str_init(&s, bump);
	expect(bump_str_reserve(&s, n) == 0);
	expect(bump_str_append(&s, bytes, n) == 0);
	expect(bump_str_append(&s, bytes, 0) == 0);
	expect(bump_str_puts(&s, "") == 0);
	expect(bump_str_puts(&s, "ab") == 0);
	expect(bump_str_putc(&s, 0xff) == 0);
	expect(bump_str_putc(&s, -1) == 0);
	expect(bump_str_printf(&s, "%zu", n) == 0);
	expect(bump_str_append(&s, bytes, opaque(SIZE_MAX)) != 0);
	expect(bump_str_finish(&s, &length) != EMPTY);
	expect(length == n + 5);
}

static void build_array(bump_t *bump, size_t n)
{
	static const int some[] = {1, 2, 3};
	ints_t v;

	bump_vec_init(&v, bump);
	expect(bump_vec_reserve(&v, n) == 0);
	expect(bump_vec_append(&v, some, opaque(0)) == 0);
	expect(bump_vec_append(&v, EMPTY, 0) == 0);
	expect(bump_vec_push(&v, 7) == 0);
	expect(bump_vec_append(&v, some, n) == 0);
	expect(bump_vec_append(&v, some, opaque(SIZE_MAX)) != 0);
	expect(bump_vec_pop(&v) == (n > 0 ? some[n - 1] : 7));
	expect(bump_vec_finish(&v) != EMPTY);
}

static void adapt(bump_t *bump, size_t n)
{
	void *p = bump_adapt_realloc(bump, EMPTY, 0, n + 1);

	p = bump_adapt_realloc(bump, p, n + 1, n + 100);
	expect(p != EMPTY);
	expect(bump_adapt_realloc(bump, p, n + 100, 0) == EMPTY);
	expect(bump_adapt_alloc(bump, n) != EMPTY);
	expect(bump_adapt_alloc_array(bump, n, 2) != EMPTY);
	expect(bump_adapt_alloc_array(bump, opaque(SIZE_MAX), 2) == EMPTY);
	expect(bump_adapt_alloc_uint(bump, 3, 0) != EMPTY);
	expect(bump_adapt_alloc_int(bump, 3, 5) != EMPTY);
	bump_adapt_free(bump, EMPTY);

	p = bump_adapt_sized_alloc(bump, n);
	p = bump_adapt_sized_realloc(bump, p, n + 1);
	expect(bump_adapt_sized_realloc(bump, p, opaque(SIZE_MAX)) == EMPTY);
	bump_adapt_sized_free(bump, p);
}

static void adapt_local(bump_t *bump, size_t n)
{
	bump_t *const former = bump_adapt_local_use(bump);
	void *p = bump_adapt_local_malloc(n);

	p = bump_adapt_local_realloc(p, n + 9);
	expect(p != EMPTY);
	bump_adapt_local_free(p);
	p = bump_adapt_local_calloc(n, 3);
	expect(p != EMPTY);
	expect(bump_adapt_local_calloc(opaque(SIZE_MAX), 3) == EMPTY);
	expect(bump_adapt_local_malloc(opaque(SIZE_MAX)) == EMPTY);
	bump_adapt_local_free(p);
	expect(bump_adapt_local_use(former) == bump);
}

static void constants(void)
{
	static char memory[BUMP_OVERHEAD + 64];
	bump_t *const bump = bump_new_in(memory, sizeof(memory), EMPTY);

	expect(bump != EMPTY && herd_version()[0] != '\0');
	expect((BUMP_HARDEN_GUARD | BUMP_HARDEN_CHECK | BUMP_HARDEN_ZERO) == BUMP_HARDEN_ALL);
	expect(opaque(HERD_VERSION_MAJOR + HERD_VERSION_MINOR + HERD_VERSION_PATCH) > 0);
	bump_destroy(bump);
}

#ifdef __cplusplus
}
#endif

#if defined(__cplusplus) && __cplusplus >= 201703L
namespace
{

struct counted {
	int number;
	~counted()
	{
		failures += number == 0 ? 1 : 0;
	}
};

void in_cxx()
{
	herd::pool pool;
	herd::member member(pool);
	const herd::scope scope(member);
	herd::arena arena;

	expect(member.make<counted>(1) != nullptr);
	expect(member.make<text_t>() != nullptr);
	expect(member.array<int>(opaque(0)) != nullptr);
	expect(*member.str("text") == 't');
	expect(arena.array_for_overwrite<text_t>(3) != nullptr);
	std::pmr::string text("longer than what fits into the string itself", arena.resource());
	expect(text.size() > 40);
}

} // namespace
#endif

static void all(bump_t *bump, herd_t *herd)
{
	for (size_t n = 0; n < 4; n++) {
		allocate(bump, opaque(n));
		build_string(bump, "xyz", opaque(n));
		build_array(bump, opaque(n));
		adapt(bump, opaque(n));
		adapt_local(bump, opaque(n));
		adapt_local(EMPTY, opaque(n));
	}
	allocate_too_much(bump);
	scopes(herd);
	constants();
#if defined(__cplusplus) && __cplusplus >= 201703L
	in_cxx();
#endif
}

int main(void)
{
	bump_t *const bump = bump_new(EMPTY);
	herd_t *const herd = herd_new(EMPTY);

	if (bump != EMPTY && herd != EMPTY)
		all(bump, herd);
	else
		failures++;
	bump_destroy(bump);
	expect(herd_destroy(herd) == 0);
	return failures == 0 ? 0 : 1;
}
