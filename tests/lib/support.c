/* SPDX-License-Identifier: MIT */
/*
 * What the tests share; support.h says what for.
 */

#include "support.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* No block of the tests is larger: what asks for more is meant to be refused. */
#define LARGEST_BLOCK ((size_t)1 << 30)

/*
 * Sanitizers end the process by default when malloc(3) is asked for more than they can give.
 * Tests ask for that on purpose and want NULL.
 */
#if TEST_SANITIZED
#define SANITIZER_HOOK __attribute__((used, visibility("default")))
SANITIZER_HOOK const char *__asan_default_options(void);
SANITIZER_HOOK const char *__tsan_default_options(void);
SANITIZER_HOOK const char *__msan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__msan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

/* --- a group of tests --- */

/*
 * The tests of the group that runs, as cmocka gets them: each with a setup and a function of ours,
 * which call the test's own.
 */
static struct {
	const struct CMUnitTest *given; /* what the program wrote down */
	struct CMUnitTest *tests;	/* what cmocka runs, in this order */
	size_t next;			/* the index of the one that comes next */
	jmp_buf skipped;		/* where test_skip() goes */
} group;

/* cmocka calls it before each test, the test's own setup included. */
static int begin(void **state)
{
	const struct CMUnitTest *const given = &group.given[group.next++];

	return given->setup_func != NULL ? given->setup_func(state) : 0;
}

/* "NAME # SKIP": behind `ok`, that is how TAP has a test that was left out. */
static void name_as_skipped(struct CMUnitTest *test)
{
	const size_t size = strlen(test->name) + sizeof(" # SKIP");
	char *const name = malloc(size); /* cmocka prints it later */

	if (name != NULL) {
		snprintf(name, size, "%s # SKIP", test->name);
		test->name = name;
	}
}

static void run(void **state)
{
	const size_t i = group.next - 1;

	if (setjmp(group.skipped) == 0)
		group.given[i].test_func(state);
	else
		name_as_skipped(&group.tests[i]);
}

void test_skip(void)
{
	longjmp(group.skipped, 1);
}

int test_run_group(const char *name, const struct CMUnitTest *tests, size_t n,
		   CMFixtureFunction setup, CMFixtureFunction teardown)
{
	group.given = tests;
	group.tests = calloc(n, sizeof(*tests));
	if (group.tests == NULL)
		return 1;
	memcpy(group.tests, tests, n * sizeof(*tests));
	for (size_t i = 0; i < n; i++) {
		group.tests[i].setup_func = begin;
		group.tests[i].test_func = run;
	}
	const int failed = _cmocka_run_group_tests(name, group.tests, n, setup, teardown);
	for (size_t i = 0; i < n; i++) {
		if (group.tests[i].name != tests[i].name)
			free((char *)(uintptr_t)group.tests[i].name);
	}
	free(group.tests);
	return failed;
}

bool test_on_valgrind(void)
{
	const char *preload =
		getenv("LD_PRELOAD"); /* where valgrind puts its replacement of malloc(3) */

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

bool test_red_zones(void)
{
	return TEST_RED_ZONES || test_on_valgrind();
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && strcmp(value, "1") == 0;
}

bool test_is_emulated(void)
{
	return is_set("HERD_TEST_EMULATED");
}

bool test_is_slow(void)
{
	return TEST_SANITIZED || test_on_valgrind() || test_is_emulated() ||
	       is_set("HERD_TEST_SLOW");
}

bool test_is_quick(void)
{
	return test_is_slow() || is_set("HERD_TEST_QUICK");
}

size_t test_scale(size_t n)
{
	if (!test_is_quick())
		return n;
	return n < 10 ? 1 : n / 10;
}

/* --- a source that counts --- */

__attribute__((noreturn)) static void broken(const char *problem, const void *memory, size_t size)
{
	fprintf(stderr, "test source: %s: address %p, size %zu\n", problem, memory, size);
	abort();
}

static bool must_fail(const struct test_source *s, size_t size)
{
	const bool numbered = s->fail_at != 0 && (s->fail_from ? s->acquires >= s->fail_at
							       : s->acquires == s->fail_at);

	return numbered || size > LARGEST_BLOCK || (s->ceiling != 0 && s->held + size > s->ceiling);
}

static void block_add(struct test_source *s, const struct test_block *block)
{
	if (s->chunks_live == s->room) {
		s->room = s->room * 2 + 64;
		s->blocks = realloc(s->blocks, s->room * sizeof(*s->blocks));
		if (s->blocks == NULL)
			broken("no memory for the table", block->memory, block->size);
	}
	s->blocks[s->chunks_live++] = *block;
	s->held += block->size;
	if (s->peak < s->held)
		s->peak = s->held;
}

/* What a block of *size bytes is made of; lowers or raises *size as the test asked for. */
static bool block_make(const struct test_source *s, struct test_block *block, size_t size,
		       size_t align)
{
	const size_t told = size + s->give_more - (s->give_less < size ? s->give_less : size - 1);

	block->size = told;
	if (posix_memalign(&block->base, align < sizeof(void *) ? sizeof(void *) : align,
			   told + s->misalign) != 0)
		return false;
	block->memory = (char *)block->base + s->misalign;
	memset(block->memory, 0xA5, told);
	return true;
}

static void *counting_acquire(void *ctx, size_t *size, size_t align)
{
	struct test_source *s = ctx;
	struct test_block block;
	void *memory = NULL;

	if (*size == 0 || align == 0 || (align & (align - 1)) != 0 || align > 64)
		broken("asked for no bytes, or for a strange alignment", (void *)(uintptr_t)align,
		       *size);

	pthread_mutex_lock(&s->lock);
	s->acquires++;
	s->asked = *size;
	s->align = align;
	if (!must_fail(s, *size) && block_make(s, &block, *size, align)) {
		block_add(s, &block);
		memory = block.memory;
		*size = block.size;
	} else {
		s->failures++;
	}
	pthread_mutex_unlock(&s->lock);
	return memory;
}

static size_t block_find(const struct test_source *s, const void *memory)
{
	for (size_t i = s->chunks_live; i > 0; i--)
		if (s->blocks[i - 1].memory == memory)
			return i - 1;
	return SIZE_MAX;
}

static void counting_release(void *ctx, void *memory, size_t size)
{
	struct test_source *s = ctx;

	pthread_mutex_lock(&s->lock);
	const size_t i = block_find(s, memory);
	if (i == SIZE_MAX)
		broken("released twice, or never given", memory, size);
	if (s->blocks[i].size != size)
		broken("released with another size than was given", memory, size);
	void *const base = s->blocks[i].base;
	s->blocks[i] = s->blocks[--s->chunks_live];
	s->held -= size;
	s->releases++;
	pthread_mutex_unlock(&s->lock);

	memset(memory, 0x5A, size);
	free(base);
}

void test_source_init(struct test_source *s)
{
	memset(s, 0, sizeof(*s));
	s->source.acquire = counting_acquire;
	s->source.release = counting_release;
	s->source.ctx = s;
	pthread_mutex_init(&s->lock, NULL);
}

void test_source_done(struct test_source *s)
{
	const size_t live = s->chunks_live;
	const size_t held = s->held;

	pthread_mutex_destroy(&s->lock);
	free(s->blocks);
	s->blocks = NULL;
	if (live != 0 || held != 0)
		fail_msg("the source still holds %zu bytes in %zu blocks", held, live);
}

void test_source_fail(struct test_source *s, size_t k, bool from)
{
	s->fail_at = k == 0 ? 0 : s->acquires + k;
	s->fail_from = from;
}

/* --- misuse --- */

static struct {
	pthread_mutex_t lock;
	herd_misuse_fn *former;
	size_t count;
	char function[64];
	char problem[256];
} misuse = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void record(const char *function, const char *problem)
{
	pthread_mutex_lock(&misuse.lock);
	misuse.count++;
	snprintf(misuse.function, sizeof(misuse.function), "%s", function);
	snprintf(misuse.problem, sizeof(misuse.problem), "%s", problem);
	pthread_mutex_unlock(&misuse.lock);
}

void test_in_child(void (*fn)(void))
{
	int status;

	fflush(NULL);
	const pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		alarm(60);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

void test_misuse_clear(void)
{
	pthread_mutex_lock(&misuse.lock);
	misuse.count = 0;
	misuse.function[0] = '\0';
	misuse.problem[0] = '\0';
	pthread_mutex_unlock(&misuse.lock);
}

void test_misuse_begin(void)
{
	test_misuse_clear();
	misuse.former = herd_on_misuse(record);
}

size_t test_misuse_count(void)
{
	pthread_mutex_lock(&misuse.lock);
	const size_t count = misuse.count;
	pthread_mutex_unlock(&misuse.lock);
	return count;
}

const char *test_misuse_function(void)
{
	return misuse.function;
}

const char *test_misuse_problem(void)
{
	return misuse.problem;
}

void test_misuse_expect(const char *function)
{
	if (misuse.count != 1)
		fail_msg("misuse of %s: reported %zu times (latest: %s: %s)", function,
			 misuse.count, misuse.function, misuse.problem);
	assert_string_equal(misuse.function, function);
	assert_int_not_equal(strlen(misuse.problem), 0);
	test_misuse_clear();
}

void test_misuse_end(void)
{
	herd_on_misuse(misuse.former);
	misuse.former = NULL;
}

/* In the child: end in fn, with the default handler and stderr going into the pipe. */
__attribute__((noreturn)) static void misuse_in_child(void (*fn)(void *), void *arg,
						      const int pipe_ends[2])
{
	const struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGABRT, SIG_DFL);
	dup2(pipe_ends[1], STDERR_FILENO);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	herd_on_misuse(NULL);
	fn(arg);
	_exit(0);
}

static size_t read_all(int fd, char *text, size_t size)
{
	size_t length = 0;

	for (;;) {
		const ssize_t n = read(fd, text + length, size - 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	text[length] = '\0';
	return length;
}

/* Cut the line with which qemu tells of a program that a signal ended. */
static size_t without_emulator(char *text, size_t length)
{
	char *const end = test_is_emulated() ? strstr(text, "qemu: uncaught target signal") : NULL;

	if (end == NULL)
		return length;
	*end = '\0';
	return (size_t)(end - text);
}

void test_misuse_aborts(void (*fn)(void *arg), void *arg, const char *expected_function)
{
	char text[2048];
	int pipe_ends[2];
	int status;

	fflush(NULL);
	assert_int_equal(pipe(pipe_ends), 0);
	const pid_t child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0)
		misuse_in_child(fn, arg, pipe_ends);
	close(pipe_ends[1]);
	const size_t length = without_emulator(text, read_all(pipe_ends[0], text, sizeof(text)));
	close(pipe_ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("misuse of %s did not abort: status %d, stderr: %s", expected_function,
			 status, text);
	if (length == 0 || strchr(text, '\n') != text + length - 1 ||
	    strstr(text, expected_function) == NULL)
		fail_msg("misuse of %s did not write its one line, but: %s", expected_function,
			 text);
}

/* --- bytes, pages, randomness --- */

static unsigned char pattern(size_t i, uint32_t seed)
{
	return (unsigned char)((((uint32_t)i + seed) * 0x9E3779B1u + seed) >> 24);
}

void test_fill(void *p, size_t n, uint32_t seed)
{
	unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(i, seed);
}

bool test_verify(const void *p, size_t n, uint32_t seed)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == pattern(i, seed))
			continue;
		fprintf(stderr, "%p, %zu bytes, seed %u: byte %zu is 0x%02x, not 0x%02x\n", p, n,
			seed, i, bytes[i], pattern(i, seed));
		return false;
	}
	return true;
}

bool test_all_bytes(const void *p, size_t n, unsigned char byte)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == byte)
			continue;
		fprintf(stderr, "%p, %zu bytes: byte %zu is 0x%02x, not 0x%02x\n", p, n, i,
			bytes[i], byte);
		return false;
	}
	return true;
}

bool test_is_aligned(const void *p, size_t align)
{
	return ((uintptr_t)p & (align - 1)) == 0;
}

size_t test_minflt(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (size_t)usage.ru_minflt;
}

uint64_t test_seed(const char *what)
{
	const char *given = getenv("HERD_TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	print_message("# %s: HERD_TEST_SEED=%llu\n", what, (unsigned long long)seed);
	return seed;
}

uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9E3779B97F4A7C15u); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

size_t test_below(uint64_t *state, size_t n)
{
	return (size_t)(test_random(state) % n);
}
