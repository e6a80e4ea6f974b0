/* SPDX-License-Identifier: MIT */
/* A tree as JSON. */
#ifndef PRINT_H
#define PRINT_H

#include <herd/bump.h>

#include "ini.h"

/* Returns a tree as JSON, in the arena; NULL if there is no memory. */
const char *tree_to_json(bump_t *bump, const struct node *root);

#endif
