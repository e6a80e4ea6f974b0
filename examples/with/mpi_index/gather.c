/* SPDX-License-Identifier: MIT */
/* Sizes are sent first, so that rank 0 receives the data straight into its place. */
#define _POSIX_C_SOURCE 200809L

#include "gather.h"

#include <errno.h>
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

int found_pack(struct found *found, bump_t *bump, const struct table *table)
{
	size_t count;
	struct row *rows = table_top(table, bump, SIZE_MAX, &count);

	if (rows == NULL)
		return ENOMEM;
	*found = (struct found){.count = count};
	for (size_t i = 0; i < count; i++)
		found->size += strlen(rows[i].name) + 1;
	if (count > INT_MAX / 2 || found->size > INT_MAX)
		return EFBIG;
	found->numbers = bump_alloc_array(bump, count, sizeof(*found->numbers), sizeof(uint64_t));
	found->names = bump_alloc_aligned(bump, (size_t)found->size, 1);
	if (found->numbers == NULL || found->names == NULL)
		return ENOMEM;

	char *end = found->names;

	for (size_t i = 0; i < count; i++) {
		found->numbers[i][0] = rows[i].count;
		found->numbers[i][1] = rows[i].files;
		end = stpcpy(end, rows[i].name) + 1;
	}
	return 0;
}

/* In rank 0: allocates room for what the others send. */
static int make_room(const struct process *process, struct found *parts, const uint64_t *sizes)
{
	for (int i = 1; i < process->ranks; i++) {
		struct found *part = &parts[i];

		part->count = sizes[2 * i];
		part->size = sizes[2 * i + 1];
		part->numbers = bump_alloc_array(process->bump, (size_t)part->count,
						 sizeof(*part->numbers), sizeof(uint64_t));
		part->names = bump_alloc_aligned(process->bump, (size_t)part->size, 1);
		if (part->numbers == NULL || part->names == NULL)
			return ENOMEM;
	}
	return 0;
}

bool found_gather(const struct process *process, struct found *parts)
{
	struct found *own = &parts[0];
	const uint64_t size[2] = {own->count, own->size};
	uint64_t *sizes = BUMP_NEW_ARRAY(process->bump, uint64_t, 2 * (size_t)process->ranks);

	if (!all_well(process, "the sizes", sizes != NULL ? 0 : ENOMEM))
		return false;
	MPI_Gather(size, 2, MPI_UINT64_T, sizes, 2, MPI_UINT64_T, 0, MPI_COMM_WORLD);

	const int error = process->rank == 0 ? make_room(process, parts, sizes) : 0;

	if (!all_well(process, "the result", error))
		return false;
	if (process->rank != 0) {
		MPI_Send(own->numbers, (int)(2 * own->count), MPI_UINT64_T, 0, 0, MPI_COMM_WORLD);
		MPI_Send(own->names, (int)own->size, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
		return true;
	}
	for (int i = 1; i < process->ranks; i++) { /* straight into its place */
		MPI_Recv(parts[i].numbers, (int)(2 * parts[i].count), MPI_UINT64_T, i, 0,
			 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Recv(parts[i].names, (int)parts[i].size, MPI_CHAR, i, 0, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
	}
	return true;
}

static int by_name(const void *left, const void *right)
{
	const struct row *a = left;
	const struct row *b = right;

	return strcmp(a->name, b->name);
}

static int by_count(const void *left, const void *right)
{
	const struct row *a = left;
	const struct row *b = right;

	return a->count != b->count ? (a->count > b->count ? -1 : 1) : by_name(a, b);
}

struct row *found_merge(const struct process *process, const struct found *parts, size_t *count)
{
	size_t all = 0;
	size_t n = 0;

	for (int i = 0; i < process->ranks; i++)
		all += (size_t)parts[i].count;

	struct row *rows = BUMP_NEW_ARRAY(process->bump, struct row, all);

	if (rows == NULL)
		return NULL;
	for (int i = 0; i < process->ranks; i++) {
		const char *name = parts[i].names;

		for (size_t k = 0; k < parts[i].count; k++, name += strlen(name) + 1)
			rows[n++] = (struct row){name, (size_t)parts[i].numbers[k][0],
						 (size_t)parts[i].numbers[k][1]};
	}
	qsort(rows, all, sizeof(*rows), by_name);
	n = 0;
	for (size_t i = 0; i < all; i++) {
		if (n > 0 && strcmp(rows[n - 1].name, rows[i].name) == 0) {
			rows[n - 1].count += rows[i].count;
			rows[n - 1].files += rows[i].files; /* no two ranks have the same file */
		} else {
			rows[n++] = rows[i];
		}
	}
	qsort(rows, n, sizeof(*rows), by_count);
	*count = n;
	return rows;
}
