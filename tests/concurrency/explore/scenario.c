/* SPDX-License-Identifier: MIT */
/* The operations of the explored threads, and the checks; scenario.h says which. */

#include "scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flock.h"

enum { SEATS_MOST = 12, HELD_MOST = 4, BYTES_MOST = 24, MAIN = THREADS_MOST };

/* An allocation, and what was written there. */
struct bytes {
	uint32_t *at, value;
};

/* What is known of a member. */
struct seat {
	struct member *member;
	unsigned holder; /* the thread's number + 1; 0: nobody */
	size_t since;	 /* when it was had, in events */
	uint64_t resets; /* the arena's count when it was had last */
	size_t written;	 /* allocations in it; of those, the first were there at the checkout */
	size_t before;
	struct bytes bytes[BYTES_MOST];
};

struct hands {
	struct flock *flock;
	struct member *held[HELD_MOST];
	size_t n;
	bool has_own;
};

static const struct scenario *scenario;
static struct seat seats[SEATS_MOST];
static size_t seats_count;
static struct hands all_hands[THREADS_MOST + 1];
static struct member *offered;
static bool told;
static size_t events;

/* Of members that were absorbed, where no herd is reset: it is there to the end. */
static struct bytes absorbed[SEATS_MOST * BYTES_MOST];
static size_t absorbed_count;

/* --- who holds what --- */

static char name_of(size_t id)
{
	return id == MAIN ? '*' : (char)('a' + id);
}

static struct seat *seat_of(struct member *m)
{
	size_t i = 0;

	while (i < seats_count && seats[i].member != m)
		i++;
	if (i == SEATS_MOST)
		explore_fail("more than %d members", SEATS_MOST);
	if (i == seats_count)
		seats[seats_count++] = (struct seat){.member = m};
	return &seats[i];
}

static uint64_t number_of_seat(const struct seat *seat)
{
	return flock_word((uintptr_t)&seat->member->state) + 1;
}

static uint64_t resets_of(const struct seat *seat)
{
	return atomic_load(&seat->member->arena.resets);
}

static void look_at_bytes(const struct bytes *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (*bytes[i].at != bytes[i].value)
			explore_fail("what was written is not there any more");
	}
}

/* Whether some thread does one of these. */
static bool someone_does(const char *letters)
{
	for (size_t i = 0; i < THREADS_MOST && scenario->scripts[i] != NULL; i++) {
		if (strpbrk(scenario->scripts[i], letters) != NULL)
			return true;
	}
	return false;
}

/* The member was emptied by a reset, or by an absorb: then what it held is still there. */
static void forget_bytes(struct seat *seat)
{
	if (!someone_does("R")) {
		memcpy(&absorbed[absorbed_count], seat->bytes,
		       seat->written * sizeof seat->bytes[0]);
		absorbed_count += seat->written;
	}
	seat->written = 0;
}

/* As the next holder finds it. */
static void look_anew(struct seat *seat)
{
	if (seat->resets != resets_of(seat)) {
		seat->resets = resets_of(seat);
		forget_bytes(seat);
		/* What goes back and forth may be in the same member again. */
		if (!someone_does("B") && arena_used(&seat->member->arena) != 0)
			explore_fail("a member was reset, but holds something");
	}
	look_at_bytes(seat->bytes, seat->written);
}

static void write_bytes(struct seat *seat)
{
	uint32_t *const at = bump_alloc(&seat->member->arena.head, sizeof *at);

	if (at == NULL)
		explore_fail("no memory");
	if (seat->written == BYTES_MOST)
		explore_fail("more than %d allocations", BYTES_MOST);
	*at = (uint32_t)++events;
	seat->bytes[seat->written].at = at;
	seat->bytes[seat->written++].value = *at;
}

static void take_seat(size_t id, bump_t *bump)
{
	struct hands *const hands = &all_hands[id];
	struct seat *const seat = seat_of((struct member *)(void *)bump);

	explore_touch(number_of_seat(seat));
	if (seat->holder != 0)
		explore_fail("%c gets a member that %c holds", name_of(id),
			     name_of(seat->holder - 1));
	explore_touch(NUMBER_WANTED); /* for seize() */
	seat->holder = (unsigned)id + 1;
	seat->since = ++events;
	look_anew(seat);
	seat->before = seat->written;
	write_bytes(seat);
	hands->held[hands->n++] = seat->member;
}

/* As its holder finds it. */
static void look_at_mine(struct seat *seat)
{
	if (seat->resets != resets_of(seat))
		explore_fail("a member was reset while it was out");
	look_at_bytes(seat->bytes, seat->written);
}

/* Of those that the thread holds, the first or the last; the caller lets go of it. */
static struct seat *leave_seat(size_t id, bool first)
{
	struct hands *const hands = &all_hands[id];

	if (hands->n == 0)
		return NULL;
	const size_t at = first ? 0 : hands->n - 1;
	struct seat *const seat = seat_of(hands->held[at]);

	explore_step("hold", "", number_of_seat(seat));
	look_at_mine(seat);
	hands->n--;
	memmove(&hands->held[at], &hands->held[at + 1], (hands->n - at) * sizeof hands->held[0]);
	seat->holder = 0;
	return seat;
}

/* --- operations --- */

/* One more member is wanted, or one less. */
static void want(struct flock *flock)
{
	explore_touch(NUMBER_WANTED);
	flock->times_wanted++;
	if (++flock->wanted > flock->most_wanted)
		flock->most_wanted = flock->wanted;
}

static void want_no_more(struct flock *flock)
{
	explore_touch(NUMBER_WANTED);
	flock->wanted--;
}

static void get(size_t id)
{
	struct flock *const flock = all_hands[id].flock;

	want(flock);
	bump_t *const bump = herd_get(flock->herd);

	if (bump == NULL)
		explore_fail("herd_get: %s", strerror(errno));
	take_seat(id, bump);
}

static void try_get(size_t id)
{
	struct flock *const flock = all_hands[id].flock;

	want(flock);
	bump_t *const bump = herd_try_get(flock->herd);

	if (bump != NULL) {
		take_seat(id, bump);
		return;
	}
	if (errno != EAGAIN)
		explore_fail("herd_try_get: %s", strerror(errno));
	want_no_more(flock);
}

static void put(size_t id, bool first)
{
	struct flock *const flock = all_hands[id].flock;
	struct seat *const seat = leave_seat(id, first);

	if (seat == NULL)
		return;
	herd_put(flock->herd, &seat->member->arena.head);
	want_no_more(flock);
}

static void discard(size_t id)
{
	struct flock *const flock = all_hands[id].flock;
	struct seat *const seat = leave_seat(id, false);

	if (seat == NULL)
		return;
	seat->written = seat->before;
	herd_discard(flock->herd, &seat->member->arena.head);
	want_no_more(flock);
}

/* What has all members, or refuses: reset, absorb, destroy. */
static void seize(struct flock *flock, int (*fn)(struct flock *flock), const char *name)
{
	explore_touch(NUMBER_WANTED);
	const bool nobody = flock->wanted == 0;
	const size_t times = flock->times_wanted, began = ++events;
	const int error = fn(flock);

	explore_touch(NUMBER_WANTED);
	if (error != 0 && error != EBUSY)
		explore_fail("%s: %s", name, strerror(error));
	if (error == EBUSY && nobody && times == flock->times_wanted)
		explore_fail("%s was refused, though nobody had a member", name);
	for (size_t i = 0; error == 0 && i < seats_count; i++) {
		if (seats[i].holder != 0 && seats[i].since < began &&
		    seats[i].member->arena.herd == flock->herd)
			explore_fail("%s succeeded, though %c held a member", name,
				     name_of(seats[i].holder - 1));
	}
}

static struct flock *flock_of(size_t id)
{
	return all_hands[id].flock;
}

static int try_reset(struct flock *flock)
{
	const int error = herd_reset(flock->herd);

	flock->resets += error == 0;
	return error;
}

static void reset(size_t id)
{
	seize(flock_of(id), try_reset, "herd_reset");
}

/* By the other herd. It may make a member for each of those that it takes from. */
static int try_absorb(struct flock *flock)
{
	struct flock *const into = flock == &flocks[0] ? &flocks[1] : &flocks[0];
	const int error = herd_absorb(into->herd, flock->herd);

	into->most_wanted += flock_members(flock);
	return error;
}

static void absorb(size_t id)
{
	(void)id;
	seize(&flocks[1], try_absorb, "herd_absorb");
}

static void absorb_back(size_t id)
{
	(void)id;
	seize(&flocks[0], try_absorb, "herd_absorb");
}

static int try_destroy(struct flock *flock)
{
	if (herd_destroy(flock->herd) != EBUSY)
		explore_fail("herd_destroy was not refused");
	return EBUSY;
}

static void destroy(size_t id)
{
	seize(flock_of(id), try_destroy, "herd_destroy");
}

static void trim(size_t id)
{
	(void)herd_trim(flock_of(id)->herd, 0);
}

static void warm(size_t id)
{
	want(flock_of(id));
	if (herd_warm(flock_of(id)->herd, 1, 64) != 0)
		explore_fail("herd_warm: %s", strerror(errno));
	want_no_more(flock_of(id));
}

static void local(size_t id)
{
	struct hands *const hands = &all_hands[id];

	if (!hands->has_own)
		want(hands->flock);
	bump_t *const bump = herd_local(hands->flock->herd);

	if (bump == NULL)
		explore_fail("herd_local: %s", strerror(errno));
	if (!hands->has_own)
		take_seat(id, bump);
	hands->has_own = true;
	look_at_mine(seat_of((struct member *)(void *)bump));
}

static void local_put(size_t id)
{
	struct hands *const hands = &all_hands[id];

	if (!hands->has_own)
		return;
	(void)leave_seat(id, false);
	herd_local_put(hands->flock->herd);
	hands->has_own = false;
	want_no_more(hands->flock);
}

/* Of threads that use theirs no more. */
static void recall(size_t id)
{
	for (size_t i = 0; i < seats_count; i++)
		seats[i].holder = 0;
	(void)herd_recall(all_hands[id].flock->herd);
}

static int look_at_chunk(void *ctx, const void *start, size_t used, size_t capacity)
{
	(void)ctx;
	(void)start;
	if (used > capacity)
		explore_fail("a walk saw %zu bytes in a chunk of %zu", used, capacity);
	return 0;
}

static void survey(size_t id)
{
	struct flock *const flock = flock_of(id);
	herd_stats_t stats;

	herd_stats(flock->herd, &stats);
	if (stats.out > stats.members)
		explore_fail("%zu members are out, of %zu", stats.out, stats.members);
	(void)herd_each_chunk(flock->herd, look_at_chunk, NULL);
}

static void hand_over(size_t id)
{
	struct hands *const hands = &all_hands[id];

	explore_step("hand over", "", NUMBER_OFFER);
	if (hands->n == 0 || offered != NULL)
		return;
	offered = hands->held[--hands->n];
	seat_of(offered)->holder = MAIN + 1;
}

static void take_over(size_t id)
{
	struct hands *const hands = &all_hands[id];

	explore_step("take over", "", NUMBER_OFFER);
	if (offered == NULL)
		return;
	seat_of(offered)->holder = (unsigned)id + 1;
	look_at_mine(seat_of(offered));
	hands->held[hands->n++] = offered;
	offered = NULL;
}

static void tell(size_t id)
{
	(void)id;
	explore_step("tell", "", NUMBER_TOLD);
	told = true;
}

static void be_reported(size_t id)
{
	(void)id;
	explore_wait(&told, NUMBER_TOLD);
}

static void use_second(size_t id)
{
	all_hands[id].flock = &flocks[1];
}

static void put_first(size_t id)
{
	put(id, true);
}

static void put_last(size_t id)
{
	put(id, false);
}

static const struct {
	char letter;
	const char *name;
	void (*fn)(size_t id);
} operations[] = {
	{'g', "get", get},
	{'t', "try_get", try_get},
	{'p', "put", put_first},
	{'q', "put", put_last},
	{'d', "discard", discard},
	{'R', "reset", reset},
	{'T', "trim", trim},
	{'W', "warm", warm},
	{'D', "destroy", destroy},
	{'A', "absorb", absorb},
	{'B', "absorb", absorb_back},
	{'L', "local", local},
	{'l', "local_put", local_put},
	{'C', "recall", recall},
	{'s', "survey", survey},
	{'h', "hand over", hand_over},
	{'k', "take over", take_over},
	{'.', "tell", tell},
	{',', "wait", be_reported},
	{'2', "", use_second},
};

static void operate(size_t id, char letter)
{
	size_t i = 0;

	while (i < sizeof operations / sizeof operations[0] && operations[i].letter != letter)
		i++;
	if (i == sizeof operations / sizeof operations[0])
		explore_fail("no operation is called %c", letter);
	explore_says(operations[i].name);
	operations[i].fn(id);
}

static void thread(unsigned id)
{
	struct hands *const hands = &all_hands[id];

	for (const char *at = scenario->scripts[id]; *at != '\0'; at++)
		operate(id, *at);
	explore_says("end");
	/* From here on its own member is nobody's; the end of the thread puts it back. */
	if (hands->has_own) {
		struct seat *const seat = seat_of(hands->held[0]);

		explore_step("hold", "", number_of_seat(seat));
		if (seat->holder == id + 1) /* else it was recalled */
			seat->holder = 0;
		hands->n = 0;
	}
}

/* --- beginning and end --- */

static void misused(const char *function, const char *problem)
{
	explore_fail("%s: %s", function, problem);
}

static void step(void)
{
	for (size_t i = 0; i < flocks_count; i++)
		(void)flock_stack(&flocks[i]);
}

static void flock_begin(struct flock *flock)
{
	const herd_config_t config = {.bump.source = &flock_source};

	*flock = (struct flock){.herd = herd_new(&config)};
	all_hands[MAIN].flock = flock;
	if (flock->herd == NULL)
		explore_fail("herd_new: %s", strerror(errno));
	for (unsigned i = 0; i < scenario->members + ((scenario->kind & ANCHOR) != 0); i++)
		get(MAIN);
	for (unsigned i = 0; i < scenario->members; i++)
		put(MAIN, false);
}

static void begin(void)
{
	memset(all_hands, 0, sizeof all_hands);
	seats_count = 0;
	absorbed_count = 0;
	events = 0;
	offered = NULL;
	told = false;
	flocks_count = 1 + someone_does("2AB");
	for (size_t i = 0; i < flocks_count; i++)
		flock_begin(&flocks[i]);
	for (size_t i = 0; i < THREADS_MOST; i++)
		all_hands[i].flock = &flocks[0];
}

/* Put back what scripts left out. */
static void put_rest(void)
{
	if (offered != NULL) {
		all_hands[MAIN].held[all_hands[MAIN].n++] = offered;
		offered = NULL;
	}
	for (size_t i = 0; i <= MAIN; i++) {
		while (all_hands[i].n != 0)
			put(i, false);
	}
}

/* Each member can be had. */
static void have_all(struct flock *flock)
{
	bump_t *all[SEATS_MOST];
	size_t n = 0;

	while (n < SEATS_MOST && (all[n] = herd_try_get(flock->herd)) != NULL)
		n++;
	if (n != flock_members(flock))
		explore_fail("of %zu members %zu can be had", flock_members(flock), n);
	while (n != 0)
		herd_put(flock->herd, all[--n]);
}

static void flock_end(struct flock *flock)
{
	const size_t count = flock_members(flock);

	if (count > flock->most_wanted)
		explore_fail("%zu members were made, where %zu were wanted", count,
			     flock->most_wanted);
	for (struct member *m = pool_members(flock->herd); m != NULL; m = m->older) {
		if (atomic_load(&m->state) != ON_FREE)
			explore_fail("a member was not put back");
	}
	if (flock_stack(flock) != count)
		explore_fail("a member is not on the stack");
	have_all(flock);
	if (pool_seize(flock->herd, "pool_check") != 0)
		explore_fail("members can't be had at once");
	pool_check(flock->herd);
	pool_let_go(flock->herd);
}

static void seats_end(void)
{
	const bool counts = !someone_does("B"); /* an absorb counts as a reset of its members */

	for (size_t i = 0; i < seats_count; i++) {
		if (seats[i].resets == resets_of(&seats[i]))
			look_at_bytes(seats[i].bytes, seats[i].written);
		else
			forget_bytes(&seats[i]);
		if (i < scenario->members && counts && resets_of(&seats[i]) != flocks[0].resets)
			explore_fail("a member was reset %zu times, not %zu times",
				     (size_t)resets_of(&seats[i]), flocks[0].resets);
	}
	look_at_bytes(absorbed, absorbed_count);
}

static void end(void)
{
	put_rest();
	seats_end();
	for (size_t i = 0; i < flocks_count; i++)
		flock_end(&flocks[i]);
	for (size_t i = 0; i < flocks_count; i++) {
		if (herd_destroy(flocks[i].herd) != 0)
			explore_fail("herd_destroy was refused");
	}
	flocks_count = 0;
	if (flock_chunks_out != 0)
		explore_fail("%zu chunks were not given back", flock_chunks_out);
}

const struct program *scenario_program(const struct scenario *of)
{
	static struct program program = {
		.word = flock_word, .begin = begin, .thread = thread, .step = step, .end = end};

	scenario = of;
	flocks_with_views = (of->kind & VIEWS) != 0;
	herd_on_misuse(misused);
	program.ends = (of->kind & ENDS) != 0;
	while (program.threads < THREADS_MOST && of->scripts[program.threads] != NULL)
		program.threads++;
	return &program;
}
