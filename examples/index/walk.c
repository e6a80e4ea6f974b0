/* SPDX-License-Identifier: MIT */
/*
 * The walk keeps three lists in the arena: directories still to be read, files, and paths that
 * cannot be read. Directories wait in a list and not on the stack, so that only one is open at a
 * time, however deep the tree is.
 */
#define _POSIX_C_SOURCE 200809L

#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct list {
	struct path *first;
	struct path **end; /* where the next one is linked in */
};

struct walker {
	bump_t *bump;
	struct list directories;
	struct list files;
	struct list unreadable;
	size_t count;
	size_t bytes;
	size_t symlinks;
	size_t specials;
};

static void list_init(struct list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

/* Appends a path to a list. The name is kept, not copied. */
static int list_add(struct list *list, bump_t *bump, const char *name, int error)
{
	struct path *path = BUMP_NEW(bump, struct path);

	if (path == NULL)
		return ENOMEM;
	*path = (struct path){.name = name, .error = error};
	*list->end = path;
	list->end = &path->next;
	return 0;
}

/* Adds a path to the list of its type. Returns EINVAL if there is none, where it is only counted. */
static int sort_in(struct walker *walker, const char *name, const struct stat *status)
{
	if (S_ISDIR(status->st_mode))
		return list_add(&walker->directories, walker->bump, name, 0);
	if (!S_ISREG(status->st_mode)) {
		*(S_ISLNK(status->st_mode) ? &walker->symlinks : &walker->specials) += 1;
		return EINVAL;
	}
	walker->count++;
	walker->bytes += (size_t)status->st_size;
	return list_add(&walker->files, walker->bump, name, 0);
}

static int visit(struct walker *walker, const char *folder, const char *entry)
{
	struct stat status;
	const size_t length = strlen(folder);
	const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
	char *name = bump_asprintf(walker->bump, "%s%s%s", folder, slash, entry);

	if (name == NULL)
		return ENOMEM;
	if (lstat(name, &status) != 0)
		return list_add(&walker->unreadable, walker->bump, name, errno);
	int error = sort_in(walker, name, &status);

	if (error == EINVAL) { /* nobody needs the name, which is the newest allocation */
		bump_free_last(walker->bump, name, strlen(name) + 1);
		error = 0;
	}
	return error;
}

static int read_directory(struct walker *walker, const char *name)
{
	int error = 0;
	DIR *directory = opendir(name);

	if (directory == NULL)
		return list_add(&walker->unreadable, walker->bump, name, errno);
	while (error == 0) {
		errno = 0;
		const struct dirent *entry = readdir(directory);

		if (entry == NULL) {
			if (errno != 0)
				error = list_add(&walker->unreadable, walker->bump, name, errno);
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			error = visit(walker, name, entry->d_name);
	}
	closedir(directory);
	return error;
}

/* Turns the list of files into an array, from which threads can take by number. */
static int fill_array(struct walk *walk, const struct walker *walker)
{
	size_t i = 0;

	walk->count = walker->count;
	walk->bytes = walker->bytes;
	walk->unreadable = walker->unreadable.first;
	walk->symlinks = walker->symlinks;
	walk->specials = walker->specials;
	walk->files = BUMP_NEW_ARRAY(walker->bump, const char *, walker->count);
	if (walk->files == NULL)
		return ENOMEM;
	for (const struct path *path = walker->files.first; path != NULL; path = path->next)
		walk->files[i++] = path->name;
	return 0;
}

int walk_tree(struct walk *walk, bump_t *bump, const char *root)
{
	struct stat status;
	struct walker walker = {.bump = bump};
	size_t length = strlen(root);

	list_init(&walker.directories);
	list_init(&walker.files);
	list_init(&walker.unreadable);
	if (stat(root, &status) != 0) /* only the root may be a symbolic link */
		return errno;
	while (length > 1 && root[length - 1] == '/')
		length--;
	root = bump_strndup(bump, root, length);
	if (root == NULL)
		return ENOMEM;
	int error = sort_in(&walker, root, &status);

	for (const struct path *path = walker.directories.first; path != NULL && error == 0;
	     path = path->next)
		error = read_directory(&walker, path->name);
	return error == 0 ? fill_array(walk, &walker) : error;
}
