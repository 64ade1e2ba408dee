/* A configuration that is being written. Inside the layer only. Where memory is short it is told at
 * the end. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/buffer.h"
#include "foreign/config.h"

#define TRANSLATED_RELAYS_MAX 32

typedef struct TranslatedRelay {
    Buffer settings;
    char *host;
    char *secret; /* NULL: none */
} TranslatedRelay;

/* Of the section retry. */
typedef enum TranslatedTime {
    TRANSLATED_FIRST,
    TRANSLATED_MAX,
    TRANSLATED_GIVE_UP_AFTER,
    TRANSLATED_TIMES,
} TranslatedTime;

typedef struct Translation {
    const char *source;  /* what is read now: for notes and failures */
    unsigned line;       /* of it; 0: the whole */
    const char *account; /* msmtp's that is wanted; NULL: the default one */
    TranslatedRelay relays[TRANSLATED_RELAYS_MAX];
    size_t n_relays;
    unsigned long times[TRANSLATED_TIMES]; /* seconds; 0: not set */
    Buffer local, notes;
    bool is_short;  /* of memory */
    bool is_silent; /* nothing is noted: it has been */
} Translation;

/* A further relay, to which translation_relay_… adds then. 0, or -E2BIG with a Failure. */
int translation_add_relay(Translation *t, const char *host, Failure *f);

/* A setting of the last relay, in place of what it had: in quotes, or as it is (a number, true). */
void translation_relay_text(Translation *t, const char *name, const char *value);
void translation_relay_word(Translation *t, const char *name, const char *value);
void translation_port(Translation *t, const char *value);
void translation_relay_secret(Translation *t, const char *secret);

/* A file of revoked certificates, which is to be looked into. */
void translation_relay_crl(Translation *t, const char *path);

/* Any certificate of the last relay's is taken, also one that such a file has. */
void translation_relay_unverified(Translation *t);

/* Of relays at the same host and port each gets a name of its own. */
void translation_name_relays(Translation *t);

/* A setting of another section. */
void translation_local(Translation *t, const char *name, const char *value);

/* Sets that time, to be written by translation_write_retry(). Where it cannot be so long, or is 0,
 * that is noted of `what`, whose value is `text`. */
void translation_time(
    Translation *t, TranslatedTime time, unsigned long seconds, const char *what, const char *text);

/* The section retry, in which no wait is longer than the longest. */
void translation_write_retry(Translation *t, Buffer *out);

/* local.aliases, where there is such a file: whether there is. */
bool translation_aliases(Translation *t, const char *path);

/* What a user must know, with the place of what is read. */
void translation_note(Translation *t, const char *format, ...) _printf_(2, 3);

/* A number of seconds as a duration that `what` can have; others are noted. */
bool translation_is_number(const char *text, unsigned long max);

/* The lines of a file but empty ones and those that begin with '#', blanks at both ends taken off,
 * until `take` returns a negative errno. 0; -ENOENT when there is no such file, without a Failure;
 * or a negative errno with one. */
typedef int TranslationTake(Translation *t, char *line, Failure *f);
int translation_read(Translation *t, const char *path, TranslationTake *take, Failure *f);

/* The same where a line that begins with a blank goes on with the one before, as in Postfix's
 * files. */
int translation_read_joined(Translation *t, const char *path, TranslationTake *take, Failure *f);

/* The first line of a file, which the caller frees; NULL where there is none. 0 or a negative errno
 * with a Failure. */
int translation_read_first(Translation *t, const char *path, char **ret, Failure *f);

void translation_done(Translation *t);

int config_read_nullmailer(Translation *t, const char *path, Failure *f);
int config_read_msmtp(Translation *t, const char *path, Failure *f);
int config_read_ssmtp(Translation *t, const char *path, Failure *f);
int config_read_dma(Translation *t, const char *path, Failure *f);
int config_read_postfix(Translation *t, const char *path, Failure *f);

/* The next word of a line, by the rules of the shell: blanks part words, quotes and backslashes
 * take their meaning from them. It is unquoted in its place; *line goes behind it. NULL at the end,
 * or where a quote is open. */
char *config_next_word(char **line);

/* "yes", "on", "true", "1" in any case. */
bool config_is_yes(const char *value);
