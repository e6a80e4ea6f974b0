/* SPDX-License-Identifier: MIT */
/* What must be told, and must have no effect. */

#include "fuzz.h"

static int failed(const void *result)
{
	return result == NULL ? errno : 0;
}

static void never(void *arg)
{
	broken("a function ran that was never registered: %p", arg);
}

/* --- an arena that was put back --- */

/* A call to it, and how it failed; *function is who must have told. */
static int use_allocating(bump_t *b, unsigned which, const char **function)
{
	size_t room;

	*function = "bump_alloc*";
	switch (which) {
	case 0:
		return failed(bump_alloc(b, 24));
	case 1:
		return failed(bump_alloc_aligned(b, 24, 64));
	case 2:
		return failed(bump_alloc_array(b, 3, 8, 4));
	case 3:
		*function = "bump_calloc";
		return failed(bump_calloc(b, 3, 8));
	case 4:
		*function = "bump_memdup";
		return failed(bump_memdup(b, "abc", 3, 1));
	case 5:
		*function = "bump_strdup";
		return failed(bump_strdup(b, "abc"));
	case 6:
		*function = "bump_strndup";
		return failed(bump_strndup(b, "abc", 2));
	case 7:
		*function = "bump_asprintf";
		return failed(bump_asprintf(b, "%d", 7));
	case 8:
		*function = "bump_realloc";
		return failed(bump_realloc(b, NULL, 0, 24, 8));
	case 9:
		*function = "bump_reserve";
		return failed(bump_reserve(b, 24, 8, &room));
	default:
		*function = "bump_defer";
		return bump_defer(b, never, NULL);
	}
}

static int use_otherwise(bump_t *b, unsigned which, const struct piece *piece,
			 const char **function)
{
	bump_stats_t stats;
	size_t walk[4] = {0};

	switch (which) {
	case 0:
		*function = "bump_rewind";
		return bump_rewind(b, (bump_mark_t){0});
	case 1:
		*function = "bump_mark";
		(void)bump_mark(b);
		return errno;
	case 2:
		*function = "bump_undefer";
		return bump_undefer(b, never, NULL) ? 0 : errno;
	case 3:
		*function = "bump_capacity";
		return bump_capacity(b) != 0 ? 0 : errno;
	case 4:
		*function = "bump_min_align";
		(void)bump_min_align(b);
		return errno;
	case 5:
		*function = "bump_limit";
		(void)bump_limit(b);
		return errno;
	case 6:
		*function = "bump_set_limit";
		bump_set_limit(b, 1);
		return errno;
	case 7:
		*function = "bump_stats";
		bump_stats(b, &stats);
		return errno;
	case 8:
		*function = "bump_each_chunk";
		return bump_each_chunk(b, walk_collect, walk);
	case 9:
		*function = "bump_owns";
		return bump_owns(b, piece->p) ? 0 : errno;
	case 10:
		*function = "bump_extend";
		return bump_extend(b, piece->p, piece->size, piece->size + 1) ? 0 : errno;
	case 11:
		*function = "bump_free_last";
		return bump_free_last(b, piece->p, piece->size) ? 0 : errno;
	case 12:
		*function = "bump_realloc";
		return failed(bump_realloc(b, piece->p, piece->size, piece->size + 100, 8));
	default:
		*function = "bump_commit";
		bump_commit(b, piece->p, 1);
		return errno;
	}
}

static void expect_same(const struct flock *f, const herd_stats_t *before)
{
	const herd_stats_t now = figures_of(f);

	if (memcmp(&now, before, sizeof(now)) != 0)
		broken("misuse had an effect");
}

void op_misuse_parked(void)
{
	static unsigned char byte;
	const struct piece none = {.p = &byte, .size = 1};
	struct flock *f = some_flock();
	struct record *r = f != NULL ? some_parked(f) : NULL;
	const unsigned which = input_byte() % 25;
	const char *function;

	if (r == NULL)
		return;
	trace("%u", which);
	const herd_stats_t before = figures_of(f);
	act_on(r);
	call_begin();
	const struct piece *piece =
		r->pieces.count != 0 ? &r->pieces.at[r->pieces.count - 1] : &none;
	const int error = which < 11 ? use_allocating(r->bump, which, &function)
				     : use_otherwise(r->bump, which - 11, piece, &function);
	if (error != EINVAL)
		broken("%s of an arena that was put back: error %d", function, error);
	expect_misuse(function);
	expect_same(f, &before);
	pieces_verify(&r->pieces);
}

/* --- putting what is not out, or not of this herd --- */

static struct record *not_out_of(struct flock *f)
{
	struct flock *other = some_flock();

	switch (input_byte() % 3) {
	case 0:
		return some_parked(f);
	case 1:
		return some_standalone();
	default:
		return other != f ? some_out(other) : NULL;
	}
}

void op_misuse_put(void)
{
	struct flock *f = some_flock();
	struct record *r = f != NULL ? not_out_of(f) : NULL;
	const bool put = input_one_in(2);

	if (r == NULL)
		return;
	const herd_stats_t before = figures_of(f);
	act_for(f);
	call_begin();
	if (put)
		herd_put(f->herd, r->bump);
	else
		herd_discard(f->herd, r->bump);
	if (errno != EINVAL)
		broken("errno is %d", errno);
	expect_misuse(put ? "herd_put" : "herd_discard");
	expect_same(f, &before);
	record_verify(r);
}

/* A member, taken for a standalone arena. */
void op_misuse_member(void)
{
	struct flock *f = some_flock();
	const unsigned which = input_byte() % 3;
	struct record *r = f == NULL ? NULL : input_one_in(2) ? some_out(f) : some_parked(f);

	if (r == NULL)
		return;
	const herd_stats_t before = figures_of(f);
	act_for(f);
	call_begin();
	if (which == 0)
		errno = bump_reset(r->bump);
	else if (which == 1)
		bump_destroy(r->bump);
	else
		errno = herd_adopt(f->herd, r->bump);
	if (errno != EINVAL)
		broken("error %d", errno);
	expect_misuse(which == 0 ? "bump_reset" : which == 1 ? "bump_destroy" : "herd_adopt");
	expect_same(f, &before);
	record_verify(r);
}

/* --- marks, reservations --- */

/* One of another arena, of an earlier checkout, or of a time before a reset. */
void op_misuse_mark(void)
{
	struct record *r = some_record();
	struct record *other = some_record();
	bump_mark_t mark = {0};

	if (r == NULL)
		return;
	const unsigned which = input_byte();
	const size_t dead = world.dead_count < DEAD_MARKS ? world.dead_count : DEAD_MARKS;
	if (which % 2 == 0 && other != r && other->marks != 0)
		mark = other->points[which / 2 % other->marks].mark;
	else if (dead != 0)
		mark = world.dead[which / 2 % dead];
	const bump_stats_t before = stats_of(r->bump);
	act_on(r);
	call_begin();
	if (bump_rewind(r->bump, mark) != EINVAL)
		broken("an arena was rewound to a mark that is void");
	expect_misuse("bump_rewind");
	if (stats_of(r->bump).used != before.used)
		broken("misuse had an effect");
	record_verify(r);
}

/* Anything but the first bytes of the present reservation. */
void op_misuse_commit(void)
{
	struct record *r = some_record();
	const unsigned which = input_byte() % 4;
	size_t room;

	if (r == NULL || !record_has_room(r))
		return;
	act_on(r);
	call_begin();
	r->reserved = NULL;
	char *start = bump_reserve(r->bump, 1 + which, 1, &room);
	if (start == NULL) {
		call_failed(r, r->flock, errno, 1 + which, 1);
		return;
	}
	const size_t before = stats_of(r->bump).used;
	if (which == 0)
		bump_commit(r->bump, start, room + 1);
	else if (which == 1)
		bump_commit(r->bump, start + 8, 1);
	else if (which == 2)
		bump_commit(r->bump, NULL, 1);
	if (which == 3) {
		call_begin();
		void *p = bump_alloc_aligned(r->bump, 40, 8);
		record_add(r, p, 40, 8);
		if (p == NULL)
			return;
		world.may_jump = false;
		bump_commit(r->bump, start, 1);
	}
	if (errno != EINVAL)
		broken("errno is %d", errno);
	expect_misuse("bump_commit");
	if (which != 3 && stats_of(r->bump).used != before)
		broken("misuse had an effect");
}

/* --- what is refused without being misuse --- */

void op_misuse_config(void)
{
	static const herd_source_t half = {0};
	herd_config_t config = {0};
	char memory[2048];
	const unsigned which = input_byte() % 5;

	if (which == 0)
		config.bump.min_align = 24;
	else if (which == 1)
		config.bump.reserved_[2] = 1;
	else if (which == 2)
		config.bump.source = &half;
	else if (which == 3)
		config = (herd_config_t){.bump = {.first_chunk = 100, .limit = 99}};
	errno = 0;
	if (which == 4)
		config.reserved_[2] = 1;
	else if (bump_new(&config.bump) != NULL || errno != EINVAL)
		broken("bump_new: configuration %u was accepted", which);
	errno = 0;
	if (which < 3 &&
	    (bump_new_in(memory, sizeof(memory), &config.bump) != NULL || errno != EINVAL))
		broken("bump_new_in: configuration %u was accepted", which);
	errno = 0;
	if (herd_new(&config) != NULL || errno != EINVAL)
		broken("herd_new: configuration %u was accepted", which);
}

/* --- walks --- */

static int call_back(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct flock *f = ctx;
	herd_stats_t stats;

	(void)start, (void)used, (void)capacity;
	errno = 0;
	herd_stats(f->herd, &stats);
	expect_misuse("herd_stats");
	if (herd_try_get(f->herd) != NULL || errno != EINVAL)
		broken("a walk could check a member out");
	expect_misuse("herd_try_get");
	return 17;
}

void op_misuse_walk(void)
{
	struct flock *f = some_flock();

	if (f == NULL)
		return;
	world.inside++;
	const int error = herd_each_chunk(f->herd, call_back, f);
	world.inside--;
	if (f->out != 0 ? error != EBUSY : error != 0 && error != 17)
		broken("the walk returned %d", error);
}
