/* SPDX-License-Identifier: MIT */
/*
 * Tasks of OpenMP: a tree is built by tasks that make further tasks, in a herd, and read when all are
 * done. (examples/openmp_map.c has a parallel loop.)
 *
 * A task may be suspended where it makes another one, or waits for others, and meanwhile its thread
 * runs other tasks; an untied one may even go on in another thread. So none keeps an arena across
 * such a point:
 *
 * - HERD_SCOPE() stands around what allocates, and nothing else. Around a taskwait it would still be
 *   correct, but every suspended task would have an arena of its own out.
 * - herd_local() is called anew after each such point. The member that a task had before may belong
 *   to another thread; and what other tasks of this thread allocated meanwhile lies in it, too, so
 *   that a BUMP_SCOPE() or a mark from before would take it away.
 */
#include <errno.h>
#include <stdio.h>

#include <herd/herd.h>

#define DEPTH 14 /* of the tree: 2^14 - 1 nodes */
#define LOCAL_DEPTH 5

struct node {
	struct node *left;
	struct node *right;
	unsigned long sum; /* of the numbers below, and its own */
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

/* Near the leaves: tasks that ask for the thread's own member, each as short as it is. */
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
#pragma omp taskwait /* from here on, perhaps in another thread */
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
	} /* back already: no task is made while it is out */
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

/* The tree's nodes are numbered from 1; where memory is short, some are missing. */
static struct node *build(herd_t *herd)
{
	struct node *root = NULL;

#pragma omp parallel num_threads(4)
	{
#pragma omp single
		grow(herd, &root, 1, DEPTH);
		/* All tasks are done: they were waited for, and at the end of `single` by all. */
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
	return herd_destroy(herd) != 0 || failed;
}
