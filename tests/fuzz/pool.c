/* SPDX-License-Identifier: MIT */
/* Operations on a herd: its life, checking out and putting back, looking. */

#include "fuzz.h"

/* --- life --- */

void op_herd_new(void)
{
	struct budget budget = {0};
	struct flock **at = NULL;
	herd_config_t config = {.bump = read_config(&budget.source)};
	const unsigned limit = input_byte();
	const unsigned keep = input_byte();

	config.limit = limit < 128 ? 0 : (size_t)(limit - 127) * 2063;
	config.keep = keep < 128 ? 0 : keep == 128 ? 1 : (size_t)keep * 100;
	for (size_t i = 0; i < FLOCKS; i++) {
		if (world.flocks[i] == NULL)
			at = &world.flocks[i];
	}
	if (at == NULL)
		return;
	herd_t *herd = herd_new(&config);
	trace("first %zu, most %zu, align %zu, limit %zu, %zu a member, keep %zu, source %u",
	      config.bump.first_chunk, config.bump.max_chunk, config.bump.min_align, config.limit,
	      config.bump.limit, config.keep, budget.source);
	const bool contradicts =
		(config.limit != 0 && config.bump.first_chunk > config.limit) ||
		(config.bump.limit != 0 && config.bump.first_chunk > config.bump.limit);
	if ((herd == NULL) != contradicts || (herd == NULL && errno != EINVAL))
		broken("%p", (void *)herd);
	if (herd == NULL)
		return;
	struct flock *f = calloc(1, sizeof(*f));
	if (f == NULL)
		broken("no memory for the model");
	f->herd = herd;
	f->config = config;
	if (f->config.bump.min_align == 0)
		f->config.bump.min_align = 1;
	f->budget = budget;
	budget_limit(&f->budget, config.limit, 0);
	*at = f;
}

void flock_destroy(struct flock **at)
{
	struct flock *f = *at;

	act_for(f);
	pieces_verify(&f->estate);
	for (size_t i = 0; i < f->known; i++)
		record_verify(f->members[i]);
	const int error = herd_destroy(f->herd);
	trace("%zu members, %zu out: %d", f->total, f->out, error);
	if (error != (f->out != 0 ? EBUSY : 0))
		broken("%zu members are out, it returned %d", f->out, error);
	if (error != 0)
		return;
	expect_all_ran(f);
	if (f->budget.source < COUNTED && f->budget.now != 0)
		broken("destroyed, but %zu bytes are held", f->budget.now);
	for (size_t i = 0; i < f->known; i++)
		record_free(f->members[i]);
	free(f->estate.at);
	free(f);
	*at = NULL;
}

void op_herd_destroy(void)
{
	struct flock **at = &world.flocks[input_below(FLOCKS)];

	if (*at != NULL)
		flock_destroy(at);
	else if (herd_destroy(NULL) != 0)
		broken("there was nothing to destroy");
}

/* --- checking out --- */

/* What was absorbed or adopted into this member is its own from here on. */
static void claim_estate(struct flock *f, struct record *r)
{
	size_t left = 0;

	if (r->pieces.count != 0 || f->estate.count > PIECES / 2)
		return;
	for (size_t i = 0; i < f->estate.count; i++) {
		const struct piece piece = f->estate.at[i];
		if (bump_owns(r->bump, piece.p))
			*pieces_add(&r->pieces) = piece;
		else
			f->estate.at[left++] = piece;
	}
	f->estate.count = left;
}

static struct record *known(const struct flock *f, const bump_t *bump)
{
	for (size_t i = 0; i < f->known; i++) {
		if (f->members[i]->bump == bump)
			return f->members[i];
	}
	return NULL;
}

/* Record that a member is out; NULL, and it is back, where the model has no room for it. */
struct record *checked_out(struct flock *f, bump_t *bump)
{
	struct record *r = known(f, bump);

	if (f->out == f->total)
		f->total++;
	if (r != NULL && r->out)
		broken("%p was checked out, but is out", (void *)bump);
	if (r == NULL) {
		if (f->known == MEMBERS) {
			herd_put(f->herd, bump);
			return NULL;
		}
		r = record_new(bump, f);
		r->min_align = f->config.bump.min_align;
		f->members[f->known++] = r;
	}
	r->out = true;
	f->out++;
	const size_t limit = bump_limit(bump);
	const size_t held = stats_of(bump).reserved;
	r->allowed = limit == 0 ? SIZE_MAX : limit > held ? limit : held;
	claim_estate(f, r);
	record_verify(r);
	record_point(r, &r->checkout);
	return r;
}

/* Record that a member is back. */
void put_back(struct record *r)
{
	struct flock *f = r->flock;

	r->out = false;
	f->out--;
	marks_die(r);
	r->reserved = NULL;
	if (f->local == r)
		f->local = NULL;
}

static void get_failed(struct flock *f, int error)
{
	if (f->out != f->total)
		broken("%zu of %zu members are idle, but there was none", f->total - f->out,
		       f->total);
	if (f->config.bump.first_chunk == 0)
		broken("a member without a chunk could not be made");
	call_failed(NULL, f, error, ANY_SIZE, 1);
}

void op_get(void)
{
	struct flock *f = some_flock();

	if (f == NULL)
		return;
	act_for(f);
	call_begin();
	bump_t *bump = herd_get(f->herd);
	trace("%p", (void *)bump);
	if (bump == NULL) {
		get_failed(f, errno);
		return;
	}
	call_done();
	checked_out(f, bump);
}

void op_try_get(void)
{
	struct flock *f = some_flock();

	if (f == NULL)
		return;
	act_for(f);
	call_begin();
	bump_t *bump = herd_try_get(f->herd);
	trace("%p", (void *)bump);
	call_done();
	if ((bump == NULL) != (f->out == f->total))
		broken("%zu of %zu members are out: %p", f->out, f->total, (void *)bump);
	if (bump == NULL && errno != EAGAIN)
		broken("errno is %d", errno);
	if (world.acquires != 0)
		broken("it asked the source");
	if (bump != NULL)
		checked_out(f, bump);
}

void op_local(void)
{
	struct flock *f = some_flock();

	if (f == NULL)
		return;
	act_for(f);
	call_begin();
	bump_t *bump = herd_local(f->herd);
	trace("%p", (void *)bump);
	if (f->local != NULL) {
		if (bump != f->local->bump)
			broken("it was %p, and is %p", (void *)f->local->bump, (void *)bump);
		call_done();
		return;
	}
	if (bump == NULL) {
		get_failed(f, errno);
		return;
	}
	call_done();
	f->local = checked_out(f, bump);
}

/* --- putting back --- */

/* The library's own definitions of what is inlined. */
static herd_scope_t (*volatile enter)(herd_t *) = herd_scope_enter_;
static void (*volatile leave)(herd_scope_t *) = herd_scope_leave_;

static void scope_out_of_line(struct flock *f)
{
	herd_scope_t scope = enter(f->herd);

	if (scope.bump_ == NULL)
		broken("there was a member a moment ago");
	leave(&scope);
}

void op_put(void)
{
	struct flock *f = some_flock();
	struct record *r = f != NULL ? some_out(f) : NULL;

	if (f != NULL && r == NULL)
		herd_put(f->herd, NULL);
	if (r == NULL)
		return;
	trace("%p", (void *)r->bump);
	act_on(r);
	call_begin();
	herd_put(f->herd, r->bump);
	call_done();
	put_back(r);
	scope_out_of_line(f);
	pieces_verify(&r->pieces);
}

void op_discard(void)
{
	struct flock *f = some_flock();
	struct record *r = f != NULL ? some_out(f) : NULL;

	if (f != NULL && r == NULL)
		herd_discard(f->herd, NULL);
	if (r == NULL)
		return;
	trace("%p: %zu pieces of %zu", (void *)r->bump, r->checkout.pieces, r->pieces.count);
	act_on(r);
	call_begin();
	herd_discard(f->herd, r->bump);
	call_done();
	for (size_t i = r->checkout.pieces; i < r->pieces.count; i++) {
		if (herd_owns(f->herd, r->pieces.at[i].p))
			broken("%p is owned, but came after the checkout",
			       (void *)r->pieces.at[i].p);
	}
	for (size_t i = 0; i < r->checkout.pieces; i++) {
		const unsigned char *const end = gained_since(r, &r->checkout, i);

		if (end != NULL && herd_owns(f->herd, end))
			broken("%p is owned, but %zu bytes grew to %zu after the checkout",
			       (const void *)end, r->checkout.sizes[i], r->pieces.at[i].size);
	}
	record_back_to(r, &r->checkout);
	put_back(r);
	pieces_verify(&r->pieces);
}

void op_local_put(void)
{
	struct flock *f = some_flock();

	if (f == NULL)
		return;
	act_for(f);
	call_begin();
	herd_local_put(f->herd);
	call_done();
	if (f->local != NULL)
		put_back(f->local);
}

void op_herd_scope(void)
{
	struct flock *f = some_flock();
	const size_t size = input_size();

	if (f == NULL)
		return;
	act_for(f);
	world.may_jump = false; /* a member would stay out */
	call_begin();
	HERD_SCOPE(f->herd, bump);
	if (bump == NULL) {
		get_failed(f, errno);
		return;
	}
	call_done();
	struct record *r = known(f, bump);
	if (r == NULL && f->known == MEMBERS) {
		f->total += f->out == f->total;
		return;
	}
	r = checked_out(f, bump);
	call_begin();
	if (record_has_room(r))
		record_add(r, bump_alloc(bump, size), size, _Alignof(max_align_t));
	put_back(r);
}

/* --- looking --- */

static void expect_owned(const struct flock *f, const struct pieces *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct piece *piece = &list->at[i];
		if (!herd_owns(f->herd, piece->p))
			broken("%zu bytes at %p are not owned", piece->size, (void *)piece->p);
	}
}

void op_herd_look(void)
{
	struct flock *f = some_flock();
	size_t walk[4] = {0}; /* as of walk_collect() */

	if (f == NULL)
		return;
	world.inside++;
	const int error = herd_each_chunk(f->herd, walk_collect, walk);
	world.inside--;
	if (error != (f->out != 0 ? EBUSY : 0))
		broken("%zu members are out, the walk returned %d", f->out, error);
	const herd_stats_t stats = figures_of(f);
	if (error == 0 && (walk[1] != stats.used || walk[2] > stats.reserved - stats.spare))
		broken("the walk found %zu bytes of %zu, the herd has %zu of %zu", walk[1], walk[2],
		       stats.used, stats.reserved - stats.spare);
	pieces_verify(&f->estate);
	expect_owned(f, &f->estate, f->estate.count);
	for (size_t i = 0; i < f->known; i++) {
		const struct record *r = f->members[i];
		pieces_verify(&r->pieces);
		expect_owned(f, &r->pieces, r->out ? r->checkout.pieces : r->pieces.count);
	}
	if (herd_owns(f->herd, f))
		broken("it owns what is not its own");
	if (world.sink != NULL &&
	    (herd_dump(f->herd, world.sink) != 0 || herd_dump_svg(f->herd, world.sink) != 0))
		broken("the dump failed");
}

void op_herd_set_limit(void)
{
	struct flock *f = some_flock();
	const unsigned byte = input_byte();
	const size_t limit = byte < 64 ? 0 : (size_t)(byte - 63) * 2063;

	if (f == NULL)
		return;
	trace("%zu", limit);
	herd_set_limit(f->herd, limit);
	budget_limit(&f->budget, limit, f->budget.now);
}
