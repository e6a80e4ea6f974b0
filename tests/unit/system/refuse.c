/* SPDX-License-Identifier: MIT */
#include "refuse.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef void *map_fn(void *at, size_t size, int protection, int flags, int fd, off_t offset);
map_fn __real_mmap, __wrap_mmap, __real_mmap64, __wrap_mmap64;
int __real_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size);
int __real_madvise(void *memory, size_t size, int advice);
int __wrap_madvise(void *memory, size_t size, int advice);
int __real_mprotect(void *memory, size_t size, int protection);
int __wrap_mprotect(void *memory, size_t size, int protection);
int __real_getentropy(void *buffer, size_t size);
int __wrap_getentropy(void *buffer, size_t size);
int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __real_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

const char *const refuse_names[CALLS] = {
	"mmap",	      "munmap",	       "madvise(HUGEPAGE)",  "madvise(DONTNEED)",   "mprotect",
	"getentropy", "clock_gettime", "pthread_key_create", "pthread_setspecific", "malloc",
	"calloc",     "aligned_alloc",
};

struct refuse_counts *refuse_counts;

static enum { NOTHING, NTH, FROM, RANDOM, ALL } mode;
static enum refuse_call chosen;
static _Atomic size_t left; /* calls until the one that fails */
static size_t chance;
static bool whole[CALLS];
static int wanted_flags[CALLS];
static _Atomic uint64_t sequence;
static _Atomic bool happened;
static _Thread_local bool is_armed;

void refuse_begin(void)
{
	void *const shared = __real_mmap(NULL, sizeof *refuse_counts, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		abort();
	refuse_counts = shared;
}

void refuse_nothing(void)
{
	mode = NOTHING;
	happened = false;
	memset(whole, 0, sizeof whole);
}

void refuse_nth(enum refuse_call call, size_t n, bool from)
{
	chosen = call;
	left = n;
	mode = from ? FROM : NTH;
}

void refuse_at_random(uint64_t seed, size_t one_in)
{
	sequence = seed;
	chance = one_in;
	mode = RANDOM;
}

void refuse_all(enum refuse_call call, int flags)
{
	whole[call] = true;
	wanted_flags[call] = flags;
	mode = ALL;
}

void refuse_arm(bool armed)
{
	is_armed = armed;
}

bool refuse_happened(void)
{
	return happened;
}

void refuse_report(void)
{
	size_t failed = 0;

	for (size_t i = 0; i < CALLS; i++) {
		failed += refuse_counts->failed[i];
		print_message("# %s: %zu calls, %zu failed\n", refuse_names[i],
			      (size_t)refuse_counts->made[i], (size_t)refuse_counts->failed[i]);
	}
	print_message("# figure: %zu calls of the library that were made to fail\n", failed);
}

/* The sequence is the same at each run; which thread draws what depends on the schedule. */
static bool by_chance(void)
{
	uint64_t state = atomic_fetch_add(&sequence, 0x9E3779B97F4A7C15);

	return test_below(&state, chance) == 0;
}

/* The n-th: `left` was 1. From then on it wraps, and stays above any n. */
static bool is_its_turn(void)
{
	const size_t before = atomic_fetch_sub(&left, 1);

	return before == 1 || (mode == FROM && before > SIZE_MAX / 2) ||
	       (mode == FROM && before == 0);
}

static bool refused(enum refuse_call call, int flags)
{
	bool fails = false;

	if (!is_armed)
		return false;
	refuse_counts->made[call]++;
	if (mode == RANDOM)
		fails = by_chance();
	else if (mode == ALL)
		fails = whole[call] && (flags & wanted_flags[call]) == wanted_flags[call];
	else if (mode != NOTHING && call == chosen)
		fails = is_its_turn();
	if (fails) {
		refuse_counts->failed[call]++;
		happened = true;
		errno = EPERM; /* not what the library reports: it has to set that itself */
	}
	return fails;
}

/* The test has mappings of its own, which do not count. */
static void *noted(void *memory, size_t size)
{
	if (is_armed && memory != MAP_FAILED)
		refuse_counts->mapped += size;
	return memory;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (refused(CALL_MMAP, flags))
		return MAP_FAILED;
	return noted(__real_mmap(at, size, protection, flags, fd, offset), size);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (refused(CALL_MMAP, flags))
		return MAP_FAILED;
	return noted(__real_mmap64(at, size, protection, flags, fd, offset), size);
}

int __wrap_munmap(void *memory, size_t size)
{
	if (refused(CALL_MUNMAP, 0))
		return -1;

	const int result = __real_munmap(memory, size);

	if (is_armed && result == 0)
		refuse_counts->mapped -= size;
	return result;
}

int __wrap_madvise(void *memory, size_t size, int advice)
{
	if (refused(advice == MADV_DONTNEED ? CALL_DONTNEED : CALL_HUGEPAGE, 0))
		return -1;
	return __real_madvise(memory, size, advice);
}

int __wrap_mprotect(void *memory, size_t size, int protection)
{
	return refused(CALL_MPROTECT, 0) ? -1 : __real_mprotect(memory, size, protection);
}

int __wrap_getentropy(void *buffer, size_t size)
{
	return refused(CALL_GETENTROPY, 0) ? -1 : __real_getentropy(buffer, size);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	return refused(CALL_CLOCK, 0) ? -1 : __real_clock_gettime(id, now);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	return refused(CALL_KEY, 0) ? EAGAIN : __real_pthread_key_create(key, destroy);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return refused(CALL_SPECIFIC, 0) ? ENOMEM : __real_pthread_setspecific(key, value);
}

void *__wrap_malloc(size_t size)
{
	return refused(CALL_MALLOC, 0) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refused(CALL_CALLOC, 0) ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return refused(CALL_ALIGNED, 0) ? NULL : __real_aligned_alloc(align, size);
}
