/* SPDX-License-Identifier: MIT */
/*
 * P6: binary-trees of the Computer Language Benchmarks Game, to depth 21. There is one tree that is
 * a level deeper, one that lives throughout, and many that are built, counted and thrown away: 604
 * million nodes of two pointers. The threads share the many; the first thread builds the other two.
 *
 * The figure is the processor time of everything in all threads together. Over an arena a tree is
 * freed at once. No library is used except the allocator. Compiled as C and as C++.
 */
#include "program.h"

#define LEAST_DEPTH 4U
#define DEPTH 21U
#define QUICK_DEPTH 17U
#define FIRST_DEPTH 8U

struct tree {
	struct tree *left;
	struct tree *right;
};

static unsigned depth_of_all;

static struct tree *make_tree(peer_arena_t *arena, unsigned depth)
{
	struct tree *const tree = (struct tree *)peer_alloc(arena, sizeof(struct tree));

	tree->left = depth > 0 ? make_tree(arena, depth - 1) : NULL;
	tree->right = depth > 0 ? make_tree(arena, depth - 1) : NULL;
	return tree;
}

static uint32_t count_nodes(const struct tree *tree)
{
	if (tree->left == NULL)
		return 1;
	return 1 + count_nodes(tree->left) + count_nodes(tree->right);
}

#if PEER_FREES_EACH
static void free_tree(struct tree *tree)
{
	if (tree->left != NULL) {
		free_tree(tree->left);
		free_tree(tree->right);
	}
	free(tree);
}
#endif

/* Builds and counts a tree, and frees it. The arena holds nothing else. */
static uint32_t short_lived(peer_arena_t *arena, unsigned depth)
{
#if defined(HERD_HERD_H)
	BUMP_SCOPE(arena);
#endif
	struct tree *const tree = make_tree(arena, depth);
	const uint32_t count = count_nodes(tree);

#if PEER_FREES_EACH
	free_tree(tree);
#elif defined(PEER_LIMIT_H)
	arena->ptr = arena->start;
#elif !defined(HERD_HERD_H)
	arena_reset(arena);
#endif
	return count;
}

/* The thread's part of the many trees. */
static uint32_t many(const struct batch *batch, peer_arena_t *arena)
{
	const size_t threads = (size_t)batch->thread->load->threads;
	uint32_t check = 0;

	for (unsigned depth = LEAST_DEPTH; depth <= depth_of_all; depth += 2) {
		const size_t trees = (size_t)1 << (depth_of_all - depth + LEAST_DEPTH);

		for (size_t i = (size_t)batch->thread->number; i < trees; i += threads)
			check += short_lived(arena, depth);
	}
	return check;
}

static uint32_t all(const struct batch *batch)
{
	struct load *const load = batch->thread->load;
	const bool makes_others = batch->thread->number == 0;
	peer_arena_t *const arena = peer_get(batch->peer, batch->thread->number);
	peer_arena_t *kept = NULL;
	struct tree *long_lived = NULL;
	uint32_t check = 0;

	if (makes_others) {
		depth_of_all = batch->first ? FIRST_DEPTH : load->quick ? QUICK_DEPTH : DEPTH;
		check += short_lived(arena, depth_of_all + 1);
		kept = peer_get(batch->peer, load->threads);
		long_lived = make_tree(kept, depth_of_all);
	}
	load_meet(batch->thread);
	check += many(batch, arena);
	peer_put(batch->peer, arena);
	if (makes_others) {
		check += count_nodes(long_lived);
#if PEER_FREES_EACH
		free_tree(long_lived);
#endif
		peer_put(batch->peer, kept);
	}
	return check;
}

static double prepare(struct load *load)
{
	return 1.0 / load->threads;
}

const struct program programs[] = {
	{"p6", "CPU s", 1e9, true, 1, prepare, all},
	{NULL, NULL, 0, false, 0, NULL, NULL},
};
