/* SPDX-License-Identifier: MIT */
/* An arena's life: making, marks, deferred functions, reset. */

#include "fuzz.h"

enum { SPARE_MOST = 2 << 20 };

/* --- making --- */

bump_config_t read_config(unsigned *source)
{
	static const size_t firsts[] = {0, 0, 1, 100, 4000, 5000, 70000, 300000};
	static const size_t most[] = {0, 0, 1, 512, 4096, 5000, 65536, 1 << 20};
	static const size_t aligns[] = {0, 0, 1, 2, 8, 16, 64, 4096};
	static const unsigned which[] = {
		0, 0, 0, 1, SOURCE_MALLOC, SOURCE_OS, SOURCE_CACHE, SOURCE_NONE};
	bump_config_t config = {.on_oom = note_oom};

	config.first_chunk = firsts[input_byte() % 8];
	config.max_chunk = most[input_byte() % 8];
	const unsigned align = input_byte();
	config.min_align = aligns[align % 8];
	/* Of another byte's rest: so inputs that were found go on meaning what they do. */
	config.harden = (align >> 3 & 3) * BUMP_HARDEN_CHECK; /* with BUMP_HARDEN_ZERO, or alone */
	const unsigned limit = input_byte();
	config.limit = limit < 128 ? 0 : (size_t)(limit - 127) * 1031;
	*source = which[input_byte() % 8];
	config.source = source_of(*source);
	return config;
}

static struct record **free_standalone(void)
{
	for (size_t i = 0; i < LONES; i++) {
		if (world.lones[i] == NULL)
			return &world.lones[i];
	}
	return NULL;
}

static struct record *standalone_made(struct record **at, bump_t *bump, const bump_config_t *config,
				      const struct budget *budget)
{
	struct record *r = record_new(bump, NULL);

	r->min_align = config->min_align == 0 ? 1 : config->min_align;
	r->harden = config->harden;
	r->budget = *budget;
	*at = r;
	return r;
}

void op_new(void)
{
	struct budget budget = {0};
	struct record **at = free_standalone();
	bump_config_t config = read_config(&budget.source);

	if (at == NULL)
		return;
	budget_limit(&budget, config.limit, 0);
	world.acting = &budget;
	call_begin();
	bump_t *bump = bump_new(&config);
	trace("first %zu, most %zu, align %zu, limit %zu, source %u: %p", config.first_chunk,
	      config.max_chunk, config.min_align, config.limit, budget.source, (void *)bump);
	if (config.limit != 0 && config.first_chunk > config.limit) {
		if (bump != NULL || errno != EINVAL)
			broken("a first chunk above the limit was allowed");
		return;
	}
	if (bump != NULL) {
		standalone_made(at, bump, &config, &budget);
		call_done();
		return;
	}
	if (world.faults != 0) {
		expect_misuse("bump_new");
	} else if (errno != ENOMEM || world.ooms != 1 || world.oom_size != config.first_chunk ||
		   (world.refusals == 0 && world.rejected == 0 && config.limit == 0 &&
		    budget.source != SOURCE_NONE)) {
		broken("no arena, for no reason");
	}
	if (budget.now != 0)
		broken("no arena, but %zu bytes are held", budget.now);
	world.ooms = 0;
}

void op_new_in(void)
{
	struct budget budget = {0};
	struct record **at = free_standalone();
	const bump_config_t config = read_config(&budget.source);
	const size_t size = input_size();
	const size_t shift = input_byte() % 17;

	if (at == NULL)
		return;
	char *memory = malloc(size + shift + 1);
	if (memory == NULL)
		return;
	world.may_jump = false; /* `memory` would be lost */
	budget_limit(&budget, config.limit, 0);
	world.acting = &budget;
	call_begin();
	bump_t *bump = bump_new_in(memory + shift, size, &config);
	const size_t least = BUMP_OVERHEAD + (config.first_chunk != 0 ? config.first_chunk : 1) +
			     config.min_align;
	trace("%zu bytes, first %zu, align %zu: %p", size, config.first_chunk, config.min_align,
	      (void *)bump);
	if (bump != NULL) {
		struct record *r = standalone_made(at, bump, &config, &budget);
		r->in_place = true;
		r->memory = memory;
		call_done();
		if (world.acquires != 0)
			broken("the source was asked");
		return;
	}
	if (errno != ENOMEM || world.ooms != 1 || size >= least)
		broken("%zu bytes, first_chunk %zu: error %d", size, config.first_chunk, errno);
	world.ooms = 0;
	free(memory);
}

void standalone_destroy(struct record **at)
{
	struct record *r = *at;

	trace("%zu pieces", r->pieces.count);
	act_on(r);
	record_verify(r);
	bump_destroy(r->bump);
	expect_ran(r, 0);
	if (r->budget.source < COUNTED && r->budget.now != 0)
		broken("destroyed, but %zu bytes are held", r->budget.now);
	marks_die(r);
	record_free(r);
	*at = NULL;
}

void op_destroy(void)
{
	struct record **at = &world.lones[input_below(LONES)];

	if (*at != NULL)
		standalone_destroy(at);
	else
		bump_destroy(NULL);
}

void op_reset(void)
{
	struct record *r = some_standalone();

	if (r == NULL)
		return;
	trace("%zu pieces", r->pieces.count);
	act_on(r);
	if (bump_reset(r->bump) != 0)
		broken("it failed");
	expect_ran(r, 0);
	for (size_t i = 0; i < r->pieces.count; i++) {
		if (bump_owns(r->bump, r->pieces.at[i].p))
			broken("%p is owned after a reset", (void *)r->pieces.at[i].p);
	}
	record_empty(r);
	if (stats_of(r->bump).used != 0)
		broken("%zu bytes are used after a reset", stats_of(r->bump).used);
}

/* --- marks --- */

void op_mark(void)
{
	struct record *r = some_record();

	if (r == NULL || r->marks == MARKS)
		return;
	struct point *point = &r->points[r->marks++];
	point->mark = bump_mark(r->bump);
	record_point(r, point);
	trace("%zu: %zu pieces", r->marks, point->pieces);
}

/* Inner marks are void, and reported, wherever they lie. */
static void expect_void(struct record *r, size_t m)
{
	world.may_jump = false; /* the model would miss the rewind */
	for (size_t i = m + 1; i < r->marks; i++) {
		if (bump_rewind(r->bump, r->points[i].mark) != EINVAL)
			broken("mark %zu is not void after mark %zu was rewound", i, m);
		expect_misuse("bump_rewind");
	}
}

void op_rewind(void)
{
	struct record *r = some_record();

	if (r == NULL || r->marks == 0)
		return;
	const unsigned byte = input_byte();
	const size_t m = byte < 128 ? r->marks - 1 : byte % r->marks;
	const struct point *point = &r->points[m];

	trace("to %zu of %zu: %zu pieces of %zu", m, r->marks, point->pieces, r->pieces.count);
	act_on(r);
	if (bump_rewind(r->bump, point->mark) != 0)
		broken("it failed");
	/* Where an older piece shrank, what came after the mark may lie below it. */
	for (size_t i = point->pieces; i < r->pieces.count && !point->lowered; i++) {
		if (bump_owns(r->bump, r->pieces.at[i].p))
			broken("%p is owned, but came after the mark", (void *)r->pieces.at[i].p);
	}
	for (size_t i = 0; i < point->pieces; i++) {
		const unsigned char *const end = gained_since(r, point, i);

		if (end != NULL && bump_owns(r->bump, end))
			broken("%p is owned, but %zu bytes grew to %zu after the mark",
			       (const void *)end, point->sizes[i], r->pieces.at[i].size);
	}
	record_back_to(r, point);
	if (input_one_in(4))
		expect_void(r, m);
	r->marks = m + 1; /* the mark itself stays valid */
}

/* --- deferred functions --- */

void op_defer(void)
{
	struct record *r = some_record();
	const unsigned action = input_byte() % 8;

	if (r == NULL || r->pending == DEFERS || world.deferred == DEFERRALS)
		return;
	struct deferral *d = &world.deferrals[world.deferred];
	act_on(r);
	call_begin();
	if (bump_defer(r->bump, NULL, d) != EINVAL)
		broken("no function was deferred");
	const int error = bump_defer(r->bump, deferral_run, d);
	trace("%zu, action %u: %d", world.deferred, action, error);
	r->reserved = NULL;
	if (error != 0) {
		call_failed(r, r->flock, error, ANY_SIZE, 16);
		return;
	}
	call_done();
	*d = (struct deferral){.id = world.deferred++,
			       .group = r->group,
			       .action = action,
			       .protects = r->pieces.count,
			       .record = r,
			       .flock = r->flock,
			       .pending = true};
	r->defers[r->pending++] = d;
}

static void forget_defer(struct record *r, size_t i)
{
	r->defers[i]->pending = false;
	r->pending--;
	memmove(&r->defers[i], &r->defers[i + 1], (r->pending - i) * sizeof(r->defers[0]));
	if (r->checkout.defers > i)
		r->checkout.defers--;
	for (size_t m = 0; m < r->marks; m++) {
		if (r->points[m].defers > i)
			r->points[m].defers--;
	}
}

void op_undefer(void)
{
	struct record *r = some_record();

	if (r == NULL)
		return;
	if (bump_undefer(r->bump, deferral_run, &world))
		broken("a function that was never deferred was found");
	if (r->pending == 0)
		return;
	const size_t i = input_below(r->pending);
	trace("%zu", r->defers[i]->id);
	if (!bump_undefer(r->bump, deferral_run, r->defers[i]))
		broken("deferred function %zu was not found", r->defers[i]->id);
	forget_defer(r, i);
}

/* --- scopes, limits, looking --- */

static bump_scope_t (*volatile enter)(bump_t *) = bump_scope_enter_;
static void (*volatile leave)(bump_scope_t *) = bump_scope_leave_;

/* The same by the library's own definitions of what is inlined. */
static void scope_out_of_line(struct record *r)
{
	bump_scope_t scope = enter(r->bump);
	void *p = bump_alloc(r->bump, 40);

	if (p == NULL)
		call_failed(r, r->flock, errno, 40, _Alignof(max_align_t));
	else
		memset(p, 0xDD, 40);
	leave(&scope);
}

/* What is allocated in a block is gone at its end. */
void op_scope(void)
{
	struct record *r = some_record();
	size_t sizes[4];

	if (r == NULL)
		return;
	for (size_t i = 0; i < 4; i++)
		sizes[i] = input_size();
	act_on(r);
	r->reserved = NULL;
	world.may_jump = false; /* a scope would stay open */
	call_begin();
	for (size_t i = 0; i < 4; i++) {
		BUMP_SCOPE(r->bump);
		unsigned char *p = bump_alloc_aligned(r->bump, sizes[i], 1);
		if (p == NULL)
			call_failed(r, r->flock, errno, sizes[i], 1);
		else
			memset(p, 0xDD, at_least_one(sizes[i]));
		call_begin();
	}
	scope_out_of_line(r);
}

void op_set_limit(void)
{
	struct record *r = some_record();
	const unsigned byte = input_byte();
	const size_t limit = byte < 64 ? 0 : (size_t)(byte - 63) * 1031;

	if (r == NULL)
		return;
	trace("%zu", limit);
	bump_set_limit(r->bump, limit);
	if (bump_limit(r->bump) != limit)
		broken("the limit is %zu, not %zu", bump_limit(r->bump), limit);
	const size_t held = stats_of(r->bump).reserved;
	if (r->flock == NULL)
		budget_limit(&r->budget, limit, held);
	else
		r->allowed = limit == 0 ? SIZE_MAX : limit > held ? limit : held;
}

/* --- walks --- */

struct walk {
	size_t chunks;
	size_t used;
	size_t capacity;
	size_t stop_at;
};

int walk_collect(void *ctx, const void *start, size_t used, size_t capacity)
{
	struct walk *walk = ctx;

	if (used > capacity || start == NULL)
		broken("a chunk with %zu bytes of %zu", used, capacity);
	walk->used += used;
	walk->capacity += capacity;
	return ++walk->chunks == walk->stop_at ? 42 : 0;
}

void op_look(void)
{
	struct record *r = some_record();
	struct walk walk = {0};

	if (r == NULL)
		return;
	const bump_stats_t stats = stats_of(r->bump);
	if (bump_each_chunk(r->bump, walk_collect, &walk) != 0)
		broken("the walk failed");
	if (walk.chunks != stats.chunks || walk.used != stats.used ||
	    walk.capacity != stats.capacity)
		broken("%zu chunks, %zu bytes of %zu; the walk found %zu, %zu, %zu", stats.chunks,
		       stats.used, stats.capacity, walk.chunks, walk.used, walk.capacity);
	if (stats.chunks > 1) {
		walk = (struct walk){.stop_at = 1};
		if (bump_each_chunk(r->bump, walk_collect, &walk) != 42 || walk.chunks != 1)
			broken("the walk did not end");
	}
	if (bump_min_align(r->bump) != r->min_align)
		broken("the least alignment is %zu, not %zu", bump_min_align(r->bump),
		       r->min_align);
	/* Without a current chunk it is what a spare one serves, of at most 2 MiB. */
	if (bump_capacity(r->bump) > (stats.capacity > SPARE_MOST ? stats.capacity : SPARE_MOST))
		broken("%zu bytes are left of %zu", bump_capacity(r->bump), stats.capacity);
	record_verify(r);
}
