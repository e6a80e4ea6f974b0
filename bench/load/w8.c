/* SPDX-License-Identifier: MIT */
/*
 * W8, hand-over: a producer copies strings of 24 bytes, the NUL included, into its arena and hands
 * them to a consumer through a bounded ring of 1,024 pointers. The consumer reads every byte. This
 * is done twice, with a reset between. The second time, in hot memory, counts.
 */
#include "workload.h"

#include <sched.h>

#define MESSAGES ((size_t)5000000)
#define RING ((size_t)1024)
#define TEXTS ((size_t)1024)
#define TEXT ((size_t)24)
#define LOOKS 1000
#define BATCH ((size_t)64)

/* The data of one side, on a line that the other side never touches. */
struct side {
	size_t count __attribute__((aligned(64)));
	size_t seen; /* its copy of the other's count */
};

/*
 * A ring for one producer and one consumer. Each side reads the other's count only when the ring
 * seems full or empty; then it waits for BATCH slots or messages. Otherwise the faster side would
 * handle each message in step with the slower one, two cache lines would move per message, and the
 * fastest allocator would look slowest. For the same reason the data of a side is not on the line
 * of its count, which the other side reads repeatedly while it waits.
 */
struct ring {
	struct side producer, consumer;
	size_t put __attribute__((aligned(64)));   /* written by the producer */
	size_t taken __attribute__((aligned(64))); /* written by the consumer */
	const char *slots[RING] __attribute__((aligned(64)));
};

struct exchange {
	peer_t peer;
	struct ring ring;
	char texts[TEXTS][TEXT];
	size_t sums[TEXTS];
};

/* Spins, and after a while yields, in case the other side needs this processor. */
static void wait_a_little(int *looks)
{
	if (++*looks == LOOKS) {
		*looks = 0;
		sched_yield();
	}
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static ALWAYS_INLINE void ring_put(struct ring *ring, const char *text)
{
	struct side *const side = &ring->producer;

	if (side->count - side->seen == RING) {
		for (int looks = 0; side->count - side->seen > RING - BATCH; wait_a_little(&looks))
			side->seen = __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE);
	}
	ring->slots[side->count % RING] = text;
	__atomic_store_n(&ring->put, ++side->count, __ATOMIC_RELEASE);
}

static ALWAYS_INLINE const char *ring_take(struct ring *ring, size_t left)
{
	struct side *const side = &ring->consumer;

	if (side->count == side->seen) {
		const size_t batch = left < BATCH ? left : BATCH;

		for (int looks = 0; side->seen - side->count < batch; wait_a_little(&looks))
			side->seen = __atomic_load_n(&ring->put, __ATOMIC_ACQUIRE);
	}

	const char *const text = ring->slots[side->count % RING];

	__atomic_store_n(&ring->taken, ++side->count, __ATOMIC_RELEASE);
	return text;
}

static NOINLINE void w8_produce(struct exchange *exchange, peer_arena_t *arena, size_t messages)
{
	for (size_t i = 0; i < messages; i++)
		ring_put(&exchange->ring, peer_string(arena, exchange->texts[i % TEXTS], TEXT - 1));
}

static size_t sum_of(const char *text)
{
	size_t sum = 0;

	while (*text != '\0')
		sum += (unsigned char)*text++;
	return sum;
}

static NOINLINE void w8_consume(struct exchange *exchange, size_t messages)
{
	for (size_t i = 0; i < messages; i++)
		if (sum_of(ring_take(&exchange->ring, messages - i)) != exchange->sums[i % TEXTS])
			load_die("a message is not what was sent");
}

static void hand_over(struct load_thread *thread, size_t messages)
{
	struct exchange *const exchange = (struct exchange *)thread->load->shared;

	if (thread->number == 0) {
		peer_arena_t *const arena = peer_get(&exchange->peer, 0);

		w8_produce(exchange, arena, messages);
		peer_put(&exchange->peer, arena);
	} else {
		w8_consume(exchange, messages);
	}
}

static void work(struct load_thread *thread)
{
	struct exchange *const exchange = (struct exchange *)thread->load->shared;
	const size_t messages = load_rounds(thread->load, MESSAGES);

	hand_over(thread, messages);
	phase_end(thread, &exchange->peer);
	load_begin(thread);
	hand_over(thread, messages);
	load_end(thread);
}

void w8(struct load *load)
{
	struct exchange *const exchange = (struct exchange *)load_memory(sizeof(*exchange));
	const size_t messages = load_rounds(load, MESSAGES);
	uint64_t state = 1;

	for (size_t i = 0; i < TEXTS; i++) {
		for (size_t at = 0; at < TEXT - 1; at++)
			exchange->texts[i][at] = (char)('a' + load_random(&state) % 26);
		exchange->sums[i] = sum_of(exchange->texts[i]);
	}
	peer_open(&exchange->peer, 2, messages * TEXT);
	load->shared = exchange;
	load_run(load, work);
	peer_close(&exchange->peer);
	report(load, "ns/message", (double)messages);
}
