/* SPDX-License-Identifier: MIT */
/* Why a call may fail, and what is held from the sources after each step. */

#include "fuzz.h"

#ifdef FUZZ_DEEP
#include "arena/arena.h"
#endif

/* --- what the handlers note --- */

static void maybe_jump(void)
{
	if (world.may_jump && world.inside == 0) {
		world.may_jump = false;
		longjmp(world.jump, 1);
	}
}

void note_oom(void *ctx, size_t size)
{
	(void)ctx;
	world.ooms++;
	world.oom_size = size;
	maybe_jump();
}

void note_misuse(const char *function, const char *problem)
{
	if (strchr(problem, ' ') == NULL)
		broken("%s: \"%s\" is no sentence", function, problem);
	trace("misuse of %s: %s", function, problem);
	world.misuses++;
	world.function = function;
	maybe_jump();
}

static bool is_named(const char *function, const char *expected)
{
	const size_t n = strlen(expected);

	if (expected[n - 1] == '*')
		return strncmp(function, expected, n - 1) == 0;
	return strcmp(function, expected) == 0;
}

void expect_misuse(const char *function)
{
	if (world.misuses != 1 || !is_named(world.function, function))
		broken("misuse was told %zu times, the last time of %s, not once of %s",
		       world.misuses, world.misuses != 0 ? world.function : "nothing", function);
	world.misuses = 0;
}

/* --- calls that may fail --- */

void call_begin(void)
{
	if (world.misuses != 0)
		broken("misuse of %s was told", world.function);
	world.ooms = world.refusals = world.faults = world.rejected = world.acquires = 0;
	errno = 0;
}

void call_done(void)
{
	if (world.ooms != 0 || world.misuses != 0 || world.faults != 0)
		broken("it succeeded, with %zu calls of on_oom, %zu of the handler, %zu faults",
		       world.ooms, world.misuses, world.faults);
}

bump_stats_t stats_of(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	return stats;
}

herd_stats_t figures_of(const struct flock *f)
{
	herd_stats_t stats;

	herd_stats(f->herd, &stats);
	return stats;
}

static bool exceeds(size_t limit, size_t held, size_t need)
{
	return limit != 0 && (held > limit || need > limit - held);
}

/* Whether it may be a member's own limit that a herd's function met. */
static bool some_is_limited(const struct flock *f)
{
	bool limited = f->config.bump.limit != 0;

	for (size_t i = 0; i < f->known; i++)
		limited |= f->members[i]->allowed != SIZE_MAX;
	return limited;
}

/* Whether a limit forbids `need` bytes more even where all that is spare goes back. */
static bool limit_explains(const struct record *r, const struct flock *f, size_t need)
{
	if (r != NULL) {
		const bump_stats_t stats = stats_of(r->bump);
		const size_t headers = stats.chunks * 160;
		const size_t live = stats.capacity + headers;

		if (exceeds(bump_limit(r->bump), live < stats.reserved ? live : stats.reserved,
			    need))
			return true;
	}
	if (f != NULL) {
		const herd_stats_t stats = figures_of(f);

		if (exceeds(stats.limit, stats.reserved - stats.spare, need) ||
		    (r == NULL && some_is_limited(f)))
			return true;
	}
	return false;
}

/* What a request takes at most in a chunk of its own. */
static size_t need_of(size_t size, size_t align, unsigned source)
{
	const size_t more = align + 256 + (source >= COUNTED ? 65536 : 0);

	return size > SIZE_MAX - more ? SIZE_MAX : size + more;
}

static void expect_reason(const struct record *r, const struct flock *f, size_t size, size_t align)
{
	const unsigned source = world.acting->source;
	const size_t least = r != NULL ? r->min_align : f->config.bump.min_align;

	if (r == NULL && size < f->config.bump.first_chunk)
		size = f->config.bump.first_chunk; /* of a member that had to be made */
	const size_t need = need_of(size, align > least ? align : least, source);
	if (world.refusals == 0 && world.rejected == 0 && source != SOURCE_NONE &&
	    need <= PTRDIFF_MAX && !limit_explains(r, f, need))
		broken("%zu bytes aligned to %zu were refused for no reason", size, align);
}

void call_failed(struct record *r, struct flock *f, int error, size_t size, size_t align)
{
	trace("it failed: %s", error == ENOMEM ? "ENOMEM" : "EINVAL");
	if (world.faults != 0) {
		if (error != EINVAL || world.ooms != 0 || world.misuses != 1)
			broken("the source is faulty: error %d, on_oom %zu, misuse %zu", error,
			       world.ooms, world.misuses);
		world.misuses = 0;
		return;
	}
	if (error != ENOMEM || world.ooms != 1 || world.misuses != 0)
		broken("error %d, on_oom was called %zu times, the handler %zu times", error,
		       world.ooms, world.misuses);
	if (size != ANY_SIZE && world.oom_size != size && world.oom_size != at_least_one(size))
		broken("%zu bytes were refused, on_oom was told %zu", size, world.oom_size);
	expect_reason(r, f, size == ANY_SIZE ? 0 : size, align);
	world.ooms = 0;
}

/* --- what is held --- */

/* A limit that is set below what is held keeps that, and refuses more. */
void budget_limit(struct budget *b, size_t limit, size_t held)
{
	b->limit = limit;
	b->allowed = limit == 0 ? SIZE_MAX : limit > held ? limit : held;
}

static void budget_check(struct budget *b, size_t reserved, size_t peak)
{
	if (b->source >= COUNTED)
		b->now = reserved;
	if (reserved != b->now)
		broken("%zu bytes are reserved, but the source gave %zu", reserved, b->now);
	if (reserved > b->allowed)
		broken("%zu bytes are reserved, the limit is %zu", reserved, b->limit);
	if (b->allowed > b->limit && b->limit != 0)
		b->allowed = reserved > b->limit ? reserved : b->limit;
	if (peak < reserved || peak < b->peak || (b->source < COUNTED && peak > b->high))
		broken("the peak is %zu: %zu reserved, it was %zu, the source gave up to %zu", peak,
		       reserved, b->peak, b->high);
	b->peak = peak;
}

static size_t sum_of(const struct pieces *list)
{
	size_t sum = 0;

	for (size_t i = 0; i < list->count; i++)
		sum += list->at[i].size;
	return sum;
}

static void standalone_check(struct record *r)
{
	const bump_stats_t stats = stats_of(r->bump);

	budget_check(&r->budget, stats.reserved, stats.peak);
	if (stats.used > stats.capacity || stats.used < sum_of(&r->pieces))
		broken("%zu bytes used, capacity %zu, %zu in pieces", stats.used, stats.capacity,
		       sum_of(&r->pieces));
#ifdef FUZZ_DEEP
	arena_check((const struct arena *)(const void *)r->bump);
#endif
}

static void member_check(struct record *r)
{
	const bump_stats_t stats = stats_of(r->bump);
	const size_t limit = bump_limit(r->bump);

	if (stats.used > stats.capacity || stats.used < sum_of(&r->pieces))
		broken("a member: %zu bytes used, capacity %zu, %zu in pieces", stats.used,
		       stats.capacity, sum_of(&r->pieces));
	if (stats.reserved > r->allowed || stats.peak < stats.reserved)
		broken("a member: %zu bytes are reserved, the limit is %zu, the peak %zu",
		       stats.reserved, limit, stats.peak);
	if (limit != 0)
		r->allowed = stats.reserved > limit ? stats.reserved : limit;
#ifdef FUZZ_DEEP
	arena_check((const struct arena *)(const void *)r->bump);
#endif
}

static size_t used_at_checkout(const struct record *r)
{
	size_t sum = 0;

	for (size_t i = 0; i < r->checkout.pieces; i++)
		sum += r->checkout.sizes[i];
	return sum;
}

static void flock_check(struct flock *f)
{
	const herd_stats_t stats = figures_of(f);
	size_t used = sum_of(&f->estate);

	budget_check(&f->budget, stats.reserved, stats.peak);
	if (stats.members != f->total || stats.out != f->out)
		broken("%zu members, %zu out; not %zu and %zu", stats.members, stats.out, f->total,
		       f->out);
	if (stats.spare > stats.reserved || stats.limit != f->budget.limit)
		broken("%zu bytes spare, %zu reserved; limit %zu, not %zu", stats.spare,
		       stats.reserved, stats.limit, f->budget.limit);
	for (size_t i = 0; i < f->known; i++) {
		struct record *r = f->members[i];
		used += r->out ? used_at_checkout(r) : sum_of(&r->pieces);
		if (r->out)
			member_check(r);
	}
	if (stats.used < used)
		broken("%zu bytes used, %zu in pieces", stats.used, used);
}

/* Nothing that is not told may have happened; what each holds is what its source gave. */
void budgets_check(void)
{
	if (world.misuses != 0 || world.ooms != 0)
		broken("misuse of %s was told, on_oom called %zu times",
		       world.misuses != 0 ? world.function : "nothing", world.ooms);
	if (world.ran_count != 0)
		broken("%zu deferred functions ran", world.ran_count);
	for (size_t i = 0; i < LONES; i++) {
		if (world.lones[i] != NULL)
			standalone_check(world.lones[i]);
	}
	for (size_t i = 0; i < FLOCKS; i++) {
		if (world.flocks[i] != NULL)
			flock_check(world.flocks[i]);
	}
}
