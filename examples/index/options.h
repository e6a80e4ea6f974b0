/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef INDEX_OPTIONS_H
#define INDEX_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *root;
	unsigned threads;
	bool use_herd;
	bool json;
	bool all; /* list every identifier */
};

/* Reads the command line. Exits if it is wrong (status 2) or requests help (status 0). */
void options_read(struct options *options, int argc, char **argv);

#endif
