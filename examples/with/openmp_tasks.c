/* SPDX-License-Identifier: MIT */
/*
 * Tasks of OpenMP build a tree in a herd by creating further tasks. The tree is read when all are
 * done. (examples/openmp_map.c has a parallel loop.)
 *
 * A task may be suspended where it creates another task or waits for others. Meanwhile its thread
 * runs other tasks, and an untied task may even go on in another thread. So no task keeps an arena
 * across such a point:
 *
 * - HERD_SCOPE() encloses only the allocations. Around a taskwait it would still be correct, but
 *   every suspended task would have an arena of its own checked out.
 * - herd_local() is called again after each such point. The earlier member may belong to another
 *   thread. Other tasks of this thread may also have allocated from it meanwhile, and a
 *   BUMP_SCOPE() or a mark from before that point would free their memory.
 */
#include <errno.h>
#include <stdio.h>

#include <herd/herd.h>

#include "../output.h"

#define DEPTH 14 /* of the tree: 2^14 - 1 nodes */
#define LOCAL_DEPTH 5

struct node {
	struct node *left;
	struct node *right;
	unsigned long sum; /* of the numbers below it, and its own */
	unsigned long number;
};

static struct node *make_node(bump_t *bump, unsigned long number)
{
	struct node *node = bump != NULL ? BUMP_NEW(bump, struct node) : NULL;

	if (node != NULL)
		*node = (struct node){.number = number, .sum = number};
	return node;
}

static unsigned long sum_of(const struct node *node)
{
	return node != NULL ? node->sum : 0;
}

/* Near the leaves, very short tasks use the thread's own member. */
static void grow_local(herd_t *herd, struct node **place, unsigned long number, int depth)
{
	struct node *node = make_node(herd_local(herd), number);

	*place = node;
	if (node == NULL || depth == 1)
		return;
#pragma omp task untied
	grow_local(herd, &node->left, 2 * number, depth - 1);
#pragma omp task untied
	grow_local(herd, &node->right, 2 * number + 1, depth - 1);
#pragma omp taskwait /* after this, the task may be in another thread */
	node->sum += sum_of(node->left) + sum_of(node->right);
}

static void grow(herd_t *herd, struct node **place, unsigned long number, int depth)
{
	struct node *node;

	if (depth <= LOCAL_DEPTH) {
		grow_local(herd, place, number, depth);
		return;
	}
	{
		HERD_SCOPE(herd, bump);
		node = make_node(bump, number);
	} /* the arena is back: no task is created while it is out */
	*place = node;
	if (node == NULL)
		return;
#pragma omp task
	grow(herd, &node->left, 2 * number, depth - 1);
#pragma omp task
	grow(herd, &node->right, 2 * number + 1, depth - 1);
#pragma omp taskwait
	node->sum += sum_of(node->left) + sum_of(node->right);
}

/* The nodes of the tree are numbered from 1. If memory is short, some are missing. */
static struct node *build(herd_t *herd)
{
	struct node *root = NULL;

#pragma omp parallel num_threads(4)
	{
#pragma omp single
		grow(herd, &root, 1, DEPTH);
		/* All tasks are done: all threads waited for them at the end of `single`. */
		herd_local_put(herd); /* OpenMP's threads do not end: each puts its own back */
	}
	return root;
}

static int run_phase(herd_t *herd)
{
	const unsigned long most = (1ul << DEPTH) - 1;
	const unsigned long sum = sum_of(build(herd));

	printf("the numbers up to %lu add up to %lu\n", most, sum);
	return herd_reset(herd) == 0 && sum == most * (most + 1) / 2 ? 0 : -1;
}

int main(void)
{
	herd_t *herd = herd_new(NULL);
	int failed = herd == NULL;

	for (int i = 0; i < 3 && !failed; i++)
		failed = run_phase(herd) != 0;
	return herd_destroy(herd) != 0 || failed || !output_written("openmp_tasks");
}
