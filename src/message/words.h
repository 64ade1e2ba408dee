/* A sequence of words and dots in an address: a display name, or a local part. Which of them is
 * known only when the character behind it is seen.
 *
 * Inside the layer only. */
#pragma once

#include <stdbool.h>

#include "message/mailbox.h"

typedef struct Words {
    const char *start,
        *end; /* in the text: of the first, behind the last; NULL when there is none */
    size_t n_words;
    bool is_phrase; /* two words without a dot between them, or a character that only a name has */
    bool has_encoded; /* an encoded word is among them */
    bool after_dot;   /* a dot came last */
    bool overflow;    /* longer than any local part */
    size_t n;
    char text[ADDRESS_MAX]; /* without quotes */
} Words;

/* Reads words, dots and the blanks and comments between them until something else stands there. 0,
 * or -EINVAL with a Failure that shows the place. */
int words_scan(MailboxScanner *s, Words *ret, Failure *f);

/* Neither a word nor a dot. */
bool words_are_none(const Words *w);

/* Skips the quoted string that stands here. 0 or -EINVAL. */
int words_skip_quoted(MailboxScanner *s, Failure *f);

/* Skips the encoded word that stands here. Whether there was one. */
bool words_skip_encoded(MailboxScanner *s);
