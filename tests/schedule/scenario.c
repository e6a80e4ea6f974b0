/* SPDX-License-Identifier: MIT */
/* The operations of the explored threads, and the checks; scenario.h says which. */

#include "scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "schedule.h"

enum { HERDS = 2, SEATS_MOST = 12, HELD_MOST = 4, BYTES_MOST = 24, MAIN = THREADS_MOST };

/* What is known of a member. */
struct seat {
	struct member *member;
	unsigned holder; /* the thread's number + 1; 0: nobody */
	size_t since;	 /* when it was had, in events */
	uint64_t resets; /* the arena's count when it was had last */
	size_t written;	 /* allocations in it; of those, the first were there at the checkout */
	size_t before;
	struct {
		uint32_t *at, value;
	} bytes[BYTES_MOST];
};

/* A herd, and how many of its members are wanted: from before a get to behind the put. */
struct flock {
	herd_t *herd;
	size_t wanted, most_wanted, times_wanted;
	size_t resets;
};

struct hands {
	struct flock *flock;
	struct member *held[HELD_MOST];
	size_t n;
	bool has_own;
};

static const struct scenario *scenario;
static struct flock flocks[HERDS];
static size_t flocks_count;
static struct seat seats[SEATS_MOST];
static size_t seats_count;
static struct hands all_hands[THREADS_MOST + 1];
static struct member *offered;
static bool told;
static size_t events, chunks_out;

/* --- numbers of words --- */

enum { NUMBER_NEXT = 2, NUMBER_OFFER, NUMBER_TOLD, NUMBER_WANTED, NUMBER_HERD = 1 << 24 };

static uint64_t number_of(size_t flock, size_t member, size_t offset)
{
	return NUMBER_HERD * (uint64_t)(flock + 1) + (member << 12) + offset;
}

/* Members are numbered in the order in which they were made: their addresses are not the same. */
static uint64_t word_of_member(size_t flock, uintptr_t address)
{
	size_t count = 0, found = 0, offset = 0;

	for (struct member *m = members(flocks[flock].herd); m != NULL; m = m->older, count++) {
		const size_t at = address - (uintptr_t)m;
		const bool shared =
			at >= offsetof(struct member, link) ||
			((scenario->kind & VIEWS) != 0 && at >= offsetof(struct member, view) &&
			 at < offsetof(struct member, view) + sizeof(struct view));

		if (at < sizeof *m && shared) {
			found = count + 1;
			offset = at;
		}
	}
	return found != 0 ? number_of(flock, count - found + 1, offset) : 0;
}

static uint64_t word(uintptr_t address)
{
	if (address == (uintptr_t)&schedule_next)
		return NUMBER_NEXT;
	for (size_t i = 0; i < flocks_count; i++) {
		const size_t at = address - (uintptr_t)flocks[i].herd;

		/* Members are listed under the lock; walks look at the list without. */
		if (at == offsetof(struct herd_pool, newest) && (scenario->kind & VIEWS) == 0)
			return 0;
		if (at < sizeof(struct stack)) /* a swap of both words is one of either */
			return number_of(i, 0, 0);
		if (at < sizeof *flocks[i].herd)
			return number_of(i, 0, at);
	}
	for (size_t i = 0; i < flocks_count; i++) {
		const uint64_t number = word_of_member(i, address);

		if (number != 0)
			return number;
	}
	return 0;
}

/* --- a source that counts --- */

static void *acquire(void *ctx, size_t *size, size_t align)
{
	void *memory = NULL;

	(void)ctx;
	if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, *size) != 0)
		return NULL;
	__atomic_fetch_add(&chunks_out, 1, __ATOMIC_RELAXED);
	return memory;
}

static void release(void *ctx, void *memory, size_t size)
{
	(void)ctx;
	(void)size;
	__atomic_fetch_sub(&chunks_out, 1, __ATOMIC_RELAXED);
	free(memory);
}

static void misused(const char *function, const char *problem)
{
	explore_fail("%s: %s", function, problem);
}

/* --- the stack --- */

static struct stack_link *stack_first(struct stack *s)
{
#if defined(HERD_PORTABLE_STACK)
	const uint32_t index = (uint32_t)atomic_load(&s->head) & 0xFFFFFF;

	return index != 0 ? *stack_at(s->table, index) : NULL;
#else
	return (struct stack_link *)(void *)s->ck.head;
#endif
}

static struct stack_link *stack_second(struct stack *s, struct stack_link *link)
{
#if defined(HERD_PORTABLE_STACK)
	const uint32_t index = atomic_load(&link->next);

	return index != 0 ? *stack_at(s->table, index) : NULL;
#else
	(void)s;
	return (struct stack_link *)(void *)link->entry.next;
#endif
}

static size_t members_count(herd_t *herd)
{
	size_t n = 0;

	for (struct member *m = members(herd); m != NULL; m = m->older)
		n++;
	return n;
}

/* How many are on it; none twice, and none that its state says is off. */
static size_t stack_is_well(herd_t *herd)
{
	const size_t most = members_count(herd);
	size_t n = 0;

	for (struct stack_link *link = stack_first(&herd->stack); link != NULL;
	     link = stack_second(&herd->stack, link)) {
		if (atomic_load(&member_of_link(link)->state) == OFF_BUSY)
			explore_fail("a member is on the stack, but off it by its state");
		if (++n > most)
			explore_fail("a member is on the stack twice");
	}
	return n;
}

static void step(void)
{
	for (size_t i = 0; i < flocks_count; i++)
		(void)stack_is_well(flocks[i].herd);
}

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
	return word((uintptr_t)&seat->member->state) + 1;
}

static uint64_t resets_of(const struct seat *seat)
{
	return atomic_load(&seat->member->arena.resets);
}

static void look_at_bytes(const struct seat *seat)
{
	for (size_t i = 0; i < seat->written; i++) {
		if (*seat->bytes[i].at != seat->bytes[i].value)
			explore_fail("what was written is not there any more");
	}
}

/* As the next holder finds it. */
static void look_anew(struct seat *seat)
{
	if (seat->resets != resets_of(seat)) {
		seat->resets = resets_of(seat);
		seat->written = 0;
		if (arena_used(&seat->member->arena) != 0)
			explore_fail("a member was reset, but holds something");
	}
	look_at_bytes(seat);
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
	look_at_bytes(seat);
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

/* What has all members, or refuses: reset, absorb. */
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

static int reset(struct flock *flock)
{
	const int error = herd_reset(flock->herd);

	flock->resets += error == 0;
	return error;
}

/* It may make a member for each of those that it takes from. */
static int absorb(struct flock *flock)
{
	flocks[0].most_wanted += members_count(flock->herd);
	return herd_absorb(flocks[0].herd, flock->herd);
}

static int destroy(struct flock *flock)
{
	if (herd_destroy(flock->herd) != EBUSY)
		explore_fail("herd_destroy was not refused");
	return EBUSY;
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

static void survey(struct flock *flock)
{
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

static void tell(void)
{
	explore_step("tell", "", NUMBER_TOLD);
	told = true;
}

static void trim(struct flock *flock)
{
	(void)herd_trim(flock->herd, 0);
}

static void warm(struct flock *flock)
{
	want(flock);
	if (herd_warm(flock->herd, 1, 64) != 0)
		explore_fail("herd_warm: %s", strerror(errno));
	want_no_more(flock);
}

static void operate(size_t id, char operation)
{
	struct hands *const hands = &all_hands[id];
	struct flock *const flock = hands->flock;

	switch (operation) {
	case 'g':
		explore_says("get");
		get(id);
		break;
	case 't':
		explore_says("try_get");
		try_get(id);
		break;
	case 'p':
		explore_says("put");
		put(id, true);
		break;
	case 'q':
		explore_says("put");
		put(id, false);
		break;
	case 'd':
		explore_says("discard");
		discard(id);
		break;
	case 'R':
		explore_says("reset");
		seize(flock, reset, "herd_reset");
		break;
	case 'A':
		explore_says("absorb");
		seize(&flocks[1], absorb, "herd_absorb");
		break;
	case 'D':
		explore_says("destroy");
		seize(flock, destroy, "herd_destroy");
		break;
	case 'T':
		explore_says("trim");
		trim(flock);
		break;
	case 'W':
		explore_says("warm");
		warm(flock);
		break;
	case 'L':
		explore_says("local");
		local(id);
		break;
	case 'l':
		explore_says("local_put");
		local_put(id);
		break;
	case 'C':
		explore_says("recall");
		recall(id);
		break;
	case 's':
		explore_says("survey");
		survey(flock);
		break;
	case 'h':
		explore_says("hand over");
		hand_over(id);
		break;
	case 'k':
		explore_says("take over");
		take_over(id);
		break;
	case '.':
		explore_says("tell");
		tell();
		break;
	case ',':
		explore_says("wait");
		explore_wait(&told, NUMBER_TOLD);
		break;
	case '2':
		hands->flock = &flocks[1];
		break;
	default:
		explore_fail("no operation is called %c", operation);
	}
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

static void flock_begin(struct flock *flock)
{
	const herd_config_t config = {
		.bump.source = &(herd_source_t){.acquire = acquire, .release = release}};

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
	bool second = false;

	for (size_t i = 0; i < THREADS_MOST && scenario->scripts[i] != NULL; i++)
		second |= strpbrk(scenario->scripts[i], "2A") != NULL;
	memset(all_hands, 0, sizeof all_hands);
	seats_count = 0;
	events = 0;
	offered = NULL;
	told = false;
	flocks_count = 1 + second;
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
	if (n != members_count(flock->herd))
		explore_fail("of %zu members %zu can be had", members_count(flock->herd), n);
	while (n != 0)
		herd_put(flock->herd, all[--n]);
}

static void flock_end(struct flock *flock)
{
	const size_t count = members_count(flock->herd);

	if (count > flock->most_wanted)
		explore_fail("%zu members were made, where %zu were wanted", count,
			     flock->most_wanted);
	for (struct member *m = members(flock->herd); m != NULL; m = m->older) {
		if (atomic_load(&m->state) != ON_FREE)
			explore_fail("a member was not put back");
	}
	if (stack_is_well(flock->herd) != count)
		explore_fail("a member is not on the stack");
	have_all(flock);
	if (herd_seize(flock->herd, "herd_check") != 0)
		explore_fail("members can't be had at once");
	herd_check(flock->herd);
	herd_let_go(flock->herd);
}

/* What a seat's member went through is known, but for what other herds' members took over. */
static void seats_end(void)
{
	for (size_t i = 0; i < seats_count; i++) {
		if (seats[i].resets == resets_of(&seats[i]))
			look_at_bytes(&seats[i]);
		if (i < scenario->members && resets_of(&seats[i]) != flocks[0].resets)
			explore_fail("a member was reset %zu times, not %zu times",
				     (size_t)resets_of(&seats[i]), flocks[0].resets);
	}
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
	if (chunks_out != 0)
		explore_fail("%zu chunks were not given back", chunks_out);
}

const struct program *scenario_program(const struct scenario *of)
{
	static struct program program = {
		.word = word, .begin = begin, .thread = thread, .step = step, .end = end};

	scenario = of;
	herd_on_misuse(misused);
	program.ends = (of->kind & ENDS) != 0;
	while (program.threads < THREADS_MOST && of->scripts[program.threads] != NULL)
		program.threads++;
	return &program;
}
