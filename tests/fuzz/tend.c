/* SPDX-License-Identifier: MIT */
/* Operations on a herd: reset, trim, warm, recall, joining; and on a cache. */

#include "fuzz.h"

static void flock_empty(struct flock *f)
{
	for (size_t i = 0; i < f->known; i++)
		record_empty(f->members[i]);
	f->estate.count = 0;
}

void op_herd_reset(void)
{
	struct flock *f = some_flock();

	if (f == NULL)
		return;
	act_for(f);
	const int error = herd_reset(f->herd);
	trace("%zu members, %zu out: %d", f->total, f->out, error);
	if (error != (f->out != 0 ? EBUSY : 0))
		broken("%zu members are out, it returned %d", f->out, error);
	if (error != 0)
		return;
	expect_all_ran(f);
	for (size_t i = 0; i < f->known; i++) {
		const struct pieces *pieces = &f->members[i]->pieces;
		if (pieces->count != 0 && herd_owns(f->herd, pieces->at[0].p))
			broken("%p is owned after a reset", (void *)pieces->at[0].p);
	}
	flock_empty(f);
	const herd_stats_t stats = figures_of(f);
	const size_t keep = f->config.keep == 0	  ? SIZE_MAX
			    : f->config.keep == 1 ? 0
						  : f->config.keep;
	if (stats.used != 0 || stats.spare != stats.reserved || stats.spare > keep)
		broken("after a reset %zu bytes are used, %zu spare of %zu; to keep: %zu",
		       stats.used, stats.spare, stats.reserved, keep);
}

void flock_recall(struct flock *f)
{
	act_for(f);
	const size_t recalled = herd_recall(f->herd);
	trace("%zu", recalled);
	if (recalled != f->out)
		broken("%zu members were out, %zu recalled", f->out, recalled);
	for (size_t i = 0; i < f->known; i++) {
		if (f->members[i]->out)
			put_back(f->members[i]);
	}
}

void op_recall(void)
{
	struct flock *f = some_flock();

	if (f != NULL)
		flock_recall(f);
}

/* Where no other is idle, each warmed member has its room: the source is not asked. */
static void use_warmed(struct flock *f, size_t n, size_t size)
{
	struct record *taken[MEMBERS];
	size_t count = 0;

	if (f->total - f->out != n || n > MEMBERS)
		return;
	call_begin();
	while (count < n) {
		struct record *r = checked_out(f, herd_get(f->herd));
		if (r == NULL)
			break;
		taken[count++] = r;
		void *p = bump_alloc(r->bump, size);
		if (p == NULL || world.acquires != 0)
			broken("member %zu of %zu has no room for %zu bytes", count, n, size);
		if (record_has_room(r))
			record_add(r, p, size, _Alignof(max_align_t));
	}
	while (count > 0) {
		herd_put(f->herd, taken[--count]->bump);
		put_back(taken[count]);
	}
}

void op_warm(void)
{
	struct flock *f = some_flock();
	const size_t n = input_byte() % 6;
	const size_t size = input_size();

	if (f == NULL)
		return;
	act_for(f);
	call_begin();
	const int error = herd_warm(f->herd, n, size);
	const size_t total = figures_of(f).members;
	trace("%zu members, %zu bytes: %d, %zu of %zu are idle", n, size, error, total - f->out,
	      total);
	if (total < f->total || (total > f->total && total > f->out + n))
		broken("%zu members became %zu, %zu are out", f->total, total, f->out);
	f->total = total;
	if (error != 0) {
		call_failed(NULL, f, error, size, _Alignof(max_align_t));
		return;
	}
	call_done();
	if (total - f->out < n)
		broken("%zu members are idle, not %zu", total - f->out, n);
	if (input_one_in(2))
		use_warmed(f, n, size);
}

void op_trim(void)
{
	struct flock *f = some_flock();
	const size_t keep = input_size();

	if (f == NULL)
		return;
	act_for(f);
	const size_t before = figures_of(f).reserved;
	const size_t given = herd_trim(f->herd, keep);
	const herd_stats_t stats = figures_of(f);
	trace("to %zu: %zu", keep, given);
	if (stats.reserved != before - given || stats.spare > keep)
		broken("%zu bytes were reserved, %zu given back: %zu are, %zu spare; to keep: %zu",
		       before, given, stats.reserved, stats.spare, keep);
}

/* --- joining --- */

static void inherit_defers(struct flock *into, struct deferral **defers, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		defers[i]->record = NULL;
		defers[i]->flock = into;
		into->defers[into->pending++] = defers[i];
	}
	*count = 0;
}

static bool fits(const struct flock *into, size_t bytes, size_t member)
{
	const herd_stats_t stats = figures_of(into);
	const size_t live = stats.reserved - stats.spare;

	return (stats.limit == 0 || live + bytes <= stats.limit) &&
	       (into->config.bump.limit == 0 || member <= into->config.bump.limit);
}

/* Whether ENOMEM was right. */
static void expect_no_room(const struct flock *into, size_t bytes, size_t member, int error)
{
	if (error != ENOMEM || world.ooms != 1)
		broken("error %d, on_oom was called %zu times", error, world.ooms);
	world.ooms = 0;
	if (fits(into, bytes, member))
		broken("%zu bytes were refused for no reason", bytes);
}

static void expect_joined(struct flock *into, size_t total, size_t more)
{
	into->total = figures_of(into).members;
	if (into->total < total || into->total > total + more)
		broken("%zu members became %zu", total, into->total);
	if (into->budget.high < into->budget.now)
		into->budget.high = into->budget.now;
}

static void absorbed(struct flock *into, struct flock *from)
{
	pieces_move(&into->estate, &from->estate);
	inherit_defers(into, from->defers, &from->pending);
	for (size_t i = 0; i < from->known; i++) {
		struct record *r = from->members[i];
		pieces_move(&into->estate, &r->pieces);
		inherit_defers(into, r->defers, &r->pending);
		record_empty(r);
		r->group = ++world.groups; /* what comes now is of another arena */
	}
}

void op_absorb(void)
{
	struct flock *into = some_flock();
	struct flock *from = some_flock();

	if (into == NULL)
		return;
	act_for(into);
	call_begin();
	const herd_stats_t before = figures_of(from);
	const int error = herd_absorb(into->herd, from->herd);
	trace("%d", error);
	if (into == from || into->budget.source != from->budget.source ||
	    into->config.bump.min_align != from->config.bump.min_align ||
	    into->config.bump.harden != from->config.bump.harden) {
		if (error != EINVAL)
			broken("the herds do not fit, it returned %d", error);
		return;
	}
	if (from->out != 0) {
		if (error != EBUSY)
			broken("%zu members are out, it returned %d", from->out, error);
		return;
	}
	if (error != 0) {
		const size_t bytes = before.reserved - before.spare;
		expect_no_room(into, bytes, bytes, error);
		return;
	}
	call_done();
	const herd_stats_t after = figures_of(from);
	/* What was ready in a member is spare now. */
	if (after.used != 0 || after.spare < before.spare || after.reserved != after.spare)
		broken("%zu bytes used, %zu spare of %zu: it is not empty", after.used, after.spare,
		       after.reserved);
	if (into->budget.source < COUNTED)
		into->budget.now += before.reserved - after.reserved;
	from->budget.now = after.reserved;
	expect_joined(into, into->total, from->total);
	absorbed(into, from);
}

void op_adopt(void)
{
	struct flock *f = some_flock();
	struct record **at = &world.lones[input_below(LONES)];
	struct record *r = *at;

	if (f == NULL || r == NULL)
		return;
	act_for(f);
	call_begin();
	const bump_stats_t before = stats_of(r->bump);
	const int error = herd_adopt(f->herd, r->bump);
	trace("%d", error);
	if (r->in_place || r->budget.source != f->budget.source ||
	    r->min_align != f->config.bump.min_align || r->harden != f->config.bump.harden) {
		if (error != EINVAL)
			broken("the arena does not fit, it returned %d", error);
		return;
	}
	if (error != 0) {
		expect_no_room(f, before.reserved, before.reserved, error);
		return;
	}
	call_done();
	if (f->budget.source < COUNTED)
		f->budget.now += before.reserved;
	expect_joined(f, f->total, 1);
	pieces_move(&f->estate, &r->pieces);
	inherit_defers(f, r->defers, &r->pending);
	marks_die(r);
	record_free(r);
	*at = NULL;
}

/* --- a cache --- */

void op_cache(void)
{
	const bool trims = input_one_in(2);
	const size_t keep = input_size();
	herd_cache_stats_t before, after;
	size_t out = 0;

	for (size_t i = 0; i < LONES; i++) {
		const struct record *r = world.lones[i];
		out += r != NULL && r->budget.source == SOURCE_CACHE ? r->budget.now : 0;
	}
	for (size_t i = 0; i < FLOCKS; i++) {
		const struct flock *f = world.flocks[i];
		out += f != NULL && f->budget.source == SOURCE_CACHE ? f->budget.now : 0;
	}
	herd_cache_stats(world.cache, &before);
	if (before.out < out || before.kept > before.limit ||
	    before.peak < before.out + before.kept)
		broken("%zu bytes are out, %zu counted; %zu kept, the limit is %zu, the peak %zu",
		       out, before.out, before.kept, before.limit, before.peak);
	if (before.out != 0 && herd_cache_destroy(world.cache) != EBUSY)
		broken("a cache was destroyed while %zu bytes are out", before.out);
	if (!trims)
		return;
	const size_t given = herd_cache_trim(world.cache, keep);
	herd_cache_stats(world.cache, &after);
	trace("to %zu: %zu", keep, given);
	if (after.kept > keep || after.kept != before.kept - given || after.out != before.out)
		broken("%zu bytes were kept, %zu given back: %zu are; to keep: %zu", before.kept,
		       given, after.kept, keep);
}
