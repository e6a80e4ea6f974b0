/* SPDX-License-Identifier: MIT */
/*
 * The table of operations, and the entry that fuzzers call. A program is a sequence of operations:
 * a byte that says which, and the bytes that it reads. At the end everything is destroyed, and the
 * sources must have all back.
 *
 * Committed inputs name operations by their place in the table: new ones go to its end.
 */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- who is meant --- */

struct record *some_record(void)
{
	struct record *list[LONES + FLOCKS * MEMBERS];
	size_t count = 0;

	for (size_t i = 0; i < LONES; i++) {
		if (world.lones[i] != NULL)
			list[count++] = world.lones[i];
	}
	for (size_t i = 0; i < FLOCKS; i++) {
		const struct flock *f = world.flocks[i];
		for (size_t j = 0; f != NULL && j < f->known; j++) {
			if (f->members[j]->out)
				list[count++] = f->members[j];
		}
	}
	return count != 0 ? list[input_below(count)] : NULL;
}

struct record *some_standalone(void)
{
	return world.lones[input_below(LONES)];
}

struct flock *some_flock(void)
{
	struct flock *list[FLOCKS];
	size_t count = 0;

	for (size_t i = 0; i < FLOCKS; i++) {
		if (world.flocks[i] != NULL)
			list[count++] = world.flocks[i];
	}
	return count != 0 ? list[input_below(count)] : NULL;
}

static struct record *some_member(struct flock *f, bool out)
{
	struct record *list[MEMBERS];
	size_t count = 0;

	for (size_t i = 0; i < f->known; i++) {
		if (f->members[i]->out == out)
			list[count++] = f->members[i];
	}
	return count != 0 ? list[input_below(count)] : NULL;
}

struct record *some_out(struct flock *f)
{
	return some_member(f, true);
}

struct record *some_parked(struct flock *f)
{
	return some_member(f, false);
}

/* --- operations --- */

/* The handlers of the next operation jump out of it. */
static void op_jump(void);

static const struct op {
	const char *name;
	void (*run)(void);
} ops[] = {
	{"alloc", op_alloc},
	{"aligned", op_aligned},
	{"literal", op_literal},
	{"calloc", op_calloc},
	{"array", op_array},
	{"memdup", op_memdup},
	{"string", op_string},
	{"printf", op_printf},
	{"realloc", op_realloc},
	{"extend", op_extend},
	{"free_last", op_free_last},
	{"reserve", op_reserve},
	{"commit", op_commit},
	{"absurd", op_absurd},
	{"burst", op_burst},
	{"new", op_new},
	{"new_in", op_new_in},
	{"destroy", op_destroy},
	{"reset", op_reset},
	{"mark", op_mark},
	{"rewind", op_rewind},
	{"defer", op_defer},
	{"undefer", op_undefer},
	{"scope", op_scope},
	{"set_limit", op_set_limit},
	{"look", op_look},
	{"herd_new", op_herd_new},
	{"herd_destroy", op_herd_destroy},
	{"get", op_get},
	{"try_get", op_try_get},
	{"put", op_put},
	{"discard", op_discard},
	{"local", op_local},
	{"local_put", op_local_put},
	{"herd_scope", op_herd_scope},
	{"herd_look", op_herd_look},
	{"herd_set_limit", op_herd_set_limit},
	{"herd_reset", op_herd_reset},
	{"recall", op_recall},
	{"warm", op_warm},
	{"trim", op_trim},
	{"absorb", op_absorb},
	{"adopt", op_adopt},
	{"cache", op_cache},
	{"source", op_source},
	{"misuse_parked", op_misuse_parked},
	{"misuse_put", op_misuse_put},
	{"misuse_member", op_misuse_member},
	{"misuse_mark", op_misuse_mark},
	{"misuse_commit", op_misuse_commit},
	{"misuse_config", op_misuse_config},
	{"misuse_walk", op_misuse_walk},
	{"jump", op_jump},
	{"str", op_str},
	{"vec", op_vec},
	{"adapt", op_adapt},
};

enum { OPS = sizeof(ops) / sizeof(ops[0]) };

/* Bytes above the table allocate: that is what programs do most. */
static const struct op *next_op(void)
{
	const unsigned byte = input_byte() % 64;

	return &ops[byte < OPS ? byte : byte % 3];
}

static void op_jump(void)
{
	const struct op *op = next_op();

	if (op->run == op_jump)
		return;
	step_name = op->name;
	world.may_jump = true;
	op->run();
	world.may_jump = false;
}

/* --- steps --- */

/* A call was left through a handler: it had no effect, but for members that herd_warm() made. */
static void after_jump(void)
{
	trace("jumped out");
	world.misuses = world.ooms = 0;
	for (size_t i = 0; i < LONES; i++) {
		if (world.lones[i] != NULL)
			world.lones[i]->reserved = NULL;
	}
	for (size_t i = 0; i < FLOCKS; i++) {
		struct flock *f = world.flocks[i];
		for (size_t j = 0; f != NULL && j < f->known; j++)
			f->members[j]->reserved = NULL;
		if (f == NULL)
			continue;
		const size_t total = figures_of(f).members;
		f->total = total > f->total ? total : f->total;
	}
}

static void run_step(void)
{
	const struct op *op = next_op();

	step++;
	step_name = op->name;
	trace("begins");
	if (setjmp(world.jump) == 0)
		op->run();
	else
		after_jump();
	world.acting = NULL;
	budgets_check();
}

/* So that short programs do something. */
static void world_open(void)
{
	static const uint8_t defaults[16];
	FILE *sink = world.sink != NULL ? world.sink : fopen("/dev/null", "w");

	memset(&world, 0, sizeof(world));
	world.sink = sink;
	herd_on_misuse(note_misuse);
	sources_open();
	input_open(defaults, sizeof(defaults));
	step = 0;
	step_name = "the beginning";
	op_new();
	op_herd_new();
	world.acting = NULL;
}

static void world_close(void)
{
	step_name = "the end";
	for (size_t i = 0; i < LONES; i++) {
		if (world.lones[i] != NULL)
			standalone_destroy(&world.lones[i]);
	}
	for (size_t i = 0; i < FLOCKS; i++) {
		if (world.flocks[i] == NULL)
			continue;
		flock_recall(world.flocks[i]);
		flock_destroy(&world.flocks[i]);
	}
	sources_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world_open();
	input_open(data, size);
	while (!input_ended())
		run_step();
	world_close();
	return 0;
}
