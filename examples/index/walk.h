/* SPDX-License-Identifier: MIT */
/*
 * Lists the regular files of a directory tree. Symbolic links are not followed, so that every file
 * is found once. They are only counted, as are special files: fifos, sockets and devices.
 */
#ifndef INDEX_WALK_H
#define INDEX_WALK_H

#include <stddef.h>

#include <herd/bump.h>

/* A file or a directory. */
struct path {
	struct path *next;
	const char *name;
	int error; /* 0, or why it could not be read */
};

struct walk {
	const char **files;
	size_t count;
	size_t bytes; /* of all files together */
	const struct path *unreadable;
	size_t symlinks;
	size_t specials;
};

/*
 * Walks the tree at `root`, a directory or a single file, and stores everything in the arena.
 * Returns 0, ENOMEM, or the reason why the root itself cannot be read: EINVAL if it is a special
 * file. Paths below the root that cannot be read are in walk->unreadable.
 */
int walk_tree(struct walk *walk, bump_t *bump, const char *root);

#endif
