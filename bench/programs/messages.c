/* SPDX-License-Identifier: MIT */
/*
 * Documents like those of a short-message service: an object with its author, mentions, tags and
 * links, about 2 KB in one line, mostly short strings. They are generated from random numbers that
 * are the same in every run.
 */
#include "texts.h"

#include "../load/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_MESSAGE ((size_t)16384)

struct maker {
	char *to;
	uint64_t random;
};

static unsigned draw(struct maker *maker, unsigned below)
{
	return (unsigned)(load_random(&maker->random) >> 33) % below;
}

__attribute__((format(printf, 2, 3))) static void put(struct maker *maker, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	maker->to += vsnprintf(maker->to, MOST_MESSAGE, format, args);
	va_end(args);
}

static const char *const syllables[] = {"ka",  "ro", "mi", "ten", "sol", "va", "li", "ne",
					"dor", "es", "un", "qui", "par", "ta", "be", "ho"};

static void put_word(struct maker *maker)
{
	for (unsigned i = 1 + draw(maker, 4); i > 0; i--)
		put(maker, "%s", syllables[draw(maker, 16)]);
}

static void put_sentence(struct maker *maker, unsigned words)
{
	for (unsigned i = 0; i < words; i++) {
		if (i > 0)
			put(maker, "%s", draw(maker, 12) == 0 ? "\\n" : " ");
		if (draw(maker, 16) == 0)
			put(maker, "\\u%04x", 0x3040 + draw(maker, 0x50));
		put_word(maker);
	}
}

static void put_date(struct maker *maker)
{
	static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

	put(maker, "\"created_at\":\"%s Aug %02u %02u:%02u:%02u +0000 20%02u\"",
	    days[draw(maker, 7)], 1 + draw(maker, 31), draw(maker, 24), draw(maker, 60),
	    draw(maker, 60), 10 + draw(maker, 16));
}

static void put_id(struct maker *maker)
{
	const unsigned high = 100000000 + draw(maker, 900000000);
	const unsigned low = draw(maker, 1000000000);

	put(maker, "\"id\":%u%09u,\"id_str\":\"%u%09u\"", high, low, high, low);
}

static void put_flag(struct maker *maker, const char *name)
{
	put(maker, ",\"%s\":%s", name, draw(maker, 3) == 0 ? "true" : "false");
}

static void put_count(struct maker *maker, const char *name)
{
	put(maker, ",\"%s\":%u", name, draw(maker, 10000));
}

static void put_colour(struct maker *maker, const char *name)
{
	put(maker, ",\"%s\":\"%06X\"", name, draw(maker, 0x1000000));
}

static void put_link(struct maker *maker, const char *name)
{
	put(maker, ",\"%s\":\"http:\\/\\/img%u.example.com\\/profile\\/%u\\/", name,
	    draw(maker, 10), draw(maker, 1000000000));
	put_word(maker);
	put(maker, "_normal.jpeg\"");
}

static void put_author(struct maker *maker)
{
	static const char *const counts[] = {"followers_count", "friends_count", "listed_count",
					     "favourites_count", "statuses_count"};
	static const char *const colours[] = {"profile_background_color", "profile_link_color",
					      "profile_sidebar_border_color",
					      "profile_sidebar_fill_color", "profile_text_color"};
	static const char *const links[] = {
		"profile_background_image_url", "profile_background_image_url_https",
		"profile_image_url", "profile_image_url_https", "profile_banner_url"};
	static const char *const flags[] = {"protected",
					    "geo_enabled",
					    "verified",
					    "contributors_enabled",
					    "is_translator",
					    "default_profile",
					    "follow_request_sent",
					    "notifications"};

	put(maker, ",\"user\":{");
	put_id(maker);
	put(maker, ",\"name\":\"");
	put_sentence(maker, 2);
	put(maker, "\",\"screen_name\":\"");
	put_word(maker);
	put(maker, "_%u\",\"location\":\"", draw(maker, 100));
	put_sentence(maker, draw(maker, 3));
	put(maker, "\",\"description\":\"");
	put_sentence(maker, draw(maker, 20));
	put(maker, "\",\"url\":null,\"entities\":{\"description\":{\"urls\":[]}},");
	put_date(maker);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		put_count(maker, counts[i]);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		put_flag(maker, flags[i]);
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		put_colour(maker, colours[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		put_link(maker, links[i]);
	put(maker, ",\"utc_offset\":null,\"time_zone\":null,\"lang\":\"en\"}");
}

static void put_entities(struct maker *maker)
{
	put(maker, ",\"entities\":{\"hashtags\":[");
	for (unsigned i = 0, n = draw(maker, 3); i < n; i++) {
		put(maker, "%s{\"text\":\"", i > 0 ? "," : "");
		put_word(maker);
		put(maker, "\",\"indices\":[%u,%u]}", draw(maker, 70), 70 + draw(maker, 70));
	}
	put(maker, "],\"symbols\":[],\"urls\":[],\"user_mentions\":[");
	for (unsigned i = 0, n = draw(maker, 4); i < n; i++) {
		put(maker, "%s{\"screen_name\":\"", i > 0 ? "," : "");
		put_word(maker);
		put(maker, "\",\"name\":\"");
		put_sentence(maker, 2);
		put(maker, "\",");
		put_id(maker);
		put(maker, ",\"indices\":[%u,%u]}", draw(maker, 70), 70 + draw(maker, 70));
	}
	put(maker, "]}");
}

static void put_message(struct maker *maker)
{
	put(maker, "{\"metadata\":{\"result_type\":\"recent\",\"iso_language_code\":\"en\"},");
	put_date(maker);
	put(maker, ",");
	put_id(maker);
	put(maker, ",\"text\":\"");
	put_sentence(maker, 4 + draw(maker, 20));
	put(maker,
	    "\",\"source\":\"<a href=\\\"http:\\/\\/example.com\\/app\\\" "
	    "rel=\\\"nofollow\\\">app %u<\\/a>\"",
	    draw(maker, 100));
	put_flag(maker, "truncated");
	put(maker, ",\"in_reply_to_status_id\":null,\"in_reply_to_user_id\":null");
	put_author(maker);
	put(maker, ",\"geo\":null,\"coordinates\":null,\"place\":null,\"contributors\":null");
	put_count(maker, "retweet_count");
	put_count(maker, "favorite_count");
	put_entities(maker);
	put_flag(maker, "favorited");
	put_flag(maker, "retweeted");
	put(maker, ",\"lang\":\"en\"}");
}

void texts_make_messages(struct texts *texts, size_t bytes)
{
	struct maker maker = {(char *)load_memory(bytes + MOST_MESSAGE), 1};

	while (texts->bytes < bytes) {
		char *const start = maker.to;

		put_message(&maker);
		texts_add(texts, start, (size_t)(maker.to - start));
	}
}
