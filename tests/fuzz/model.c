/* SPDX-License-Identifier: MIT */
/* What is allocated: pieces, the points that protect them, and deferred functions. */

#include "fuzz.h"

struct world world;

/* --- records --- */

struct record *record_new(bump_t *bump, struct flock *flock)
{
	struct record *r = calloc(1, sizeof(*r));

	if (r == NULL)
		broken("no memory for the model");
	r->bump = bump;
	r->flock = flock;
	r->out = true;
	r->group = ++world.groups;
	r->min_align = 1;
	r->allowed = SIZE_MAX;
	return r;
}

void record_free(struct record *r)
{
	free(r->pieces.at);
	free(r->memory);
	free(r);
}

void act_on(struct record *r)
{
	world.acting = r->flock != NULL ? &r->flock->budget : &r->budget;
}

void act_for(struct flock *f)
{
	world.acting = &f->budget;
}

/* --- pieces --- */

size_t at_least_one(size_t size)
{
	return size == 0 ? 1 : size;
}

struct piece *pieces_add(struct pieces *list)
{
	if (list->count == list->room) {
		list->room = 2 * list->room + 32;
		list->at = realloc(list->at, list->room * sizeof(*list->at));
		if (list->at == NULL)
			broken("no memory for the model");
	}
	return &list->at[list->count++];
}

/* Every byte of what is not very large; the first n bytes of two patterns are the same. */
static size_t next_byte(size_t i)
{
	return i < 1024 ? i + 1 : i + 61;
}

static unsigned char pattern(size_t i, uint32_t seed)
{
	return (unsigned char)((((uint32_t)i + seed) * 0x9E3779B1u + seed) >> 24);
}

void piece_fill(struct piece *piece)
{
	piece->seed = ++world.seeds;
	for (size_t i = 0; i < piece->size; i = next_byte(i))
		piece->p[i] = pattern(i, piece->seed);
}

static void verify(const unsigned char *p, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i = next_byte(i)) {
		if (p[i] != pattern(i, seed))
			broken("%zu bytes at %p, number %u: byte %zu is 0x%02x, not 0x%02x", size,
			       (const void *)p, (unsigned)seed, i, p[i], pattern(i, seed));
	}
}

void piece_verify(const struct piece *piece)
{
	verify(piece->p, piece->size, piece->seed);
}

void pieces_verify(const struct pieces *list)
{
	for (size_t i = 0; i < list->count; i++)
		piece_verify(&list->at[i]);
}

void pieces_move(struct pieces *to, struct pieces *from)
{
	for (size_t i = 0; i < from->count; i++)
		*pieces_add(to) = from->at[i];
	from->count = 0;
}

static void expect_apart(const struct piece *piece, const struct pieces *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct piece *other = &list->at[i];

		if (other != piece && (uintptr_t)piece->p < (uintptr_t)other->p + other->size &&
		    (uintptr_t)other->p < (uintptr_t)piece->p + piece->size)
			broken("%zu bytes at %p overlap %zu at %p", piece->size, (void *)piece->p,
			       other->size, (void *)other->p);
	}
}

static void expect_apart_from_all(const struct piece *piece)
{
	for (size_t i = 0; i < LONES; i++) {
		if (world.lones[i] != NULL)
			expect_apart(piece, &world.lones[i]->pieces);
	}
	for (size_t i = 0; i < FLOCKS; i++) {
		const struct flock *f = world.flocks[i];

		if (f == NULL)
			continue;
		expect_apart(piece, &f->estate);
		for (size_t j = 0; j < f->known; j++)
			expect_apart(piece, &f->members[j]->pieces);
	}
}

/* Write the bytes of piece i, which is new or has grown. */
void record_write(struct record *r, size_t i)
{
	struct piece *piece = &r->pieces.at[i];

	expect_apart_from_all(piece);
	if (((uintptr_t)piece->p & (piece->align - 1)) != 0 ||
	    ((uintptr_t)piece->p & (r->min_align - 1)) != 0)
		broken("%p is not aligned to %zu and %zu", (void *)piece->p, piece->align,
		       r->min_align);
	piece_fill(piece);
}

bool record_has_room(const struct record *r)
{
	return r->pieces.count + 8 < PIECES;
}

void record_add(struct record *r, void *p, size_t size, size_t align)
{
	r->reserved = NULL;
	if (p == NULL) {
		call_failed(r, r->flock, errno, size, align);
		return;
	}
	call_done();
	*pieces_add(&r->pieces) = (struct piece){p, at_least_one(size), align, 0};
	record_write(r, r->pieces.count - 1);
}

static void point_resized(struct point *point, size_t i, size_t size)
{
	if (i < point->pieces && point->sizes[i] > size) {
		point->sizes[i] = size;
		point->lowered = true;
	}
}

/* Points protect no more than the least size that a piece had since. */
void record_resized(struct record *r, size_t i, size_t size)
{
	r->reserved = NULL;
	r->pieces.at[i].size = size;
	point_resized(&r->checkout, i, size);
	for (size_t m = 0; m < r->marks; m++)
		point_resized(&r->points[m], i, size);
}

static void point_cut(struct point *point, size_t pieces)
{
	if (point->pieces > pieces) {
		point->pieces = pieces;
		point->lowered = true;
	}
}

void record_remove_newest(struct record *r)
{
	r->reserved = NULL;
	r->pieces.count--;
	point_cut(&r->checkout, r->pieces.count);
	for (size_t m = 0; m < r->marks; m++)
		point_cut(&r->points[m], r->pieces.count);
}

void record_verify(struct record *r)
{
	for (size_t i = 0; i < r->pieces.count; i++) {
		const struct piece *piece = &r->pieces.at[i];

		piece_verify(piece);
		if (r->out && (!bump_owns(r->bump, piece->p) ||
			       !bump_owns(r->bump, piece->p + piece->size - 1)))
			broken("%zu bytes at %p are not owned", piece->size, (void *)piece->p);
	}
}

/* --- points --- */

void record_point(const struct record *r, struct point *point)
{
	point->lowered = false;
	point->pieces = r->pieces.count;
	point->defers = r->pending;
	for (size_t i = 0; i < r->pieces.count; i++)
		point->sizes[i] = r->pieces.at[i].size;
}

/* What a size is rounded up by, and a red zone. */
enum { BEHIND = 32 };

/* An older piece that shrank leaves the point above: then nobody knows what goes. */
const unsigned char *gained_since(const struct record *r, const struct point *to, size_t i)
{
	const struct piece *piece = &r->pieces.at[i];

	return !to->lowered && piece->size > to->sizes[i] + BEHIND ? piece->p + piece->size - 1
								   : NULL;
}

void record_back_to(struct record *r, const struct point *to)
{
	r->pieces.count = to->pieces;
	for (size_t i = 0; i < to->pieces; i++) {
		if (r->pieces.at[i].size > to->sizes[i])
			record_resized(r, i, to->sizes[i]);
	}
	point_cut(&r->checkout, to->pieces);
	r->reserved = NULL;
	expect_ran(r, to->defers);
}

void record_empty(struct record *r)
{
	marks_die(r);
	r->pieces.count = 0;
	r->checkout.pieces = r->checkout.defers = 0;
	r->reserved = NULL;
}

void marks_die(struct record *r)
{
	for (size_t m = 0; m < r->marks; m++)
		world.dead[world.dead_count++ % DEAD_MARKS] = r->points[m].mark;
	r->marks = 0;
}

/* --- deferred functions --- */

/* What it may not do is told, and has no effect. */
static void deferral_act(const struct deferral *d)
{
	struct record *r = d->record;
	bump_t *bump = r->bump;
	herd_stats_t stats;

	switch (d->action) {
	case 1:
		if (bump_alloc_aligned(bump, 40, 8) != NULL || errno != EINVAL)
			broken("a deferred function could allocate");
		expect_misuse("bump_alloc*");
		break;
	case 2:
		if (bump_undefer(bump, deferral_run, (void *)(uintptr_t)d))
			broken("a deferred function that runs is still registered");
		break;
	case 3:
		if (r->pieces.count != 0) {
			const struct piece *newest = &r->pieces.at[r->pieces.count - 1];
			if (bump_free_last(bump, newest->p, newest->size))
				broken("a deferred function took a piece back");
		}
		break;
	case 4:
		if (bump_rewind(bump, bump_mark(bump)) != EINVAL)
			broken("a deferred function could rewind its arena");
		expect_misuse("bump_rewind");
		break;
	case 5:
		if (d->flock == NULL)
			break;
		herd_stats(d->flock->herd, &stats);
		expect_misuse("herd_stats");
		if (herd_get(d->flock->herd) != NULL || errno != EINVAL)
			broken("a deferred function could get a member");
		expect_misuse("herd_get");
		break;
	case 6:
		if (d->flock == NULL)
			break;
		if (herd_reset(d->flock->herd) != EINVAL)
			broken("a deferred function could reset its herd");
		expect_misuse("herd_reset");
		break;
	default:
		break;
	}
}

void deferral_run(void *arg)
{
	struct deferral *d = arg;

	if (!d->pending)
		broken("deferred function %zu runs a second time", d->id);
	d->pending = false;
	world.ran[world.ran_count++] = d;
	if (d->record == NULL)
		return;
	for (size_t i = 0; i < d->protects && i < d->record->pieces.count; i++)
		piece_verify(&d->record->pieces.at[i]);
	world.inside++;
	deferral_act(d);
	world.inside--;
}

/* Those above `left` have run, newest first, and no others. */
void expect_ran(struct record *r, size_t left)
{
	if (world.ran_count != r->pending - left)
		broken("%zu deferred functions ran, not %zu", world.ran_count, r->pending - left);
	for (size_t i = 0; i < world.ran_count; i++) {
		if (world.ran[i] != r->defers[r->pending - 1 - i])
			broken("deferred function %zu ran, not %zu", world.ran[i]->id,
			       r->defers[r->pending - 1 - i]->id);
	}
	world.ran_count = 0;
	r->pending = left;
}

/* All of a herd have run; those of one arena newest first. */
void expect_all_ran(struct flock *f)
{
	size_t expected = f->pending;

	for (size_t i = 0; i < f->known; i++) {
		expected += f->members[i]->pending;
		f->members[i]->pending = 0;
	}
	f->pending = 0;
	if (world.ran_count != expected)
		broken("%zu deferred functions ran, not %zu", world.ran_count, expected);
	for (size_t i = 0; i < world.ran_count; i++) {
		if (world.ran[i]->flock != f)
			broken("deferred function %zu of another herd ran", world.ran[i]->id);
		for (size_t j = 0; j < i; j++) {
			if (world.ran[j]->group == world.ran[i]->group &&
			    world.ran[j]->id < world.ran[i]->id)
				broken("deferred function %zu ran before %zu", world.ran[j]->id,
				       world.ran[i]->id);
		}
	}
	world.ran_count = 0;
}
