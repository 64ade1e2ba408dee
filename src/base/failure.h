/* Why a call failed, for a person: one of the numbers of base/errors.h and a complete sentence.
 *
 * Functions that can fail for reasons a user can mend take a `Failure *` and fill it whenever they
 * return a negative errno. The caller owns it and calls failure_done(). A NULL Failure is allowed
 * everywhere. */
#pragma once

#include "base/macros.h"
#include "base/reason.h"

typedef struct Failure {
    int number; /* a row of base/errors.h; 0 while nothing failed */
    FaultReason reason;
    char *text; /* what, where, why, what to do; NULL only when memory was short */
} Failure;

/* Fills `f` (replacing what it held) and returns `result`, so that it can stand in a return
 * statement. */
int failure_set(Failure *f, int result, int number, const char *format, ...) _printf_(4, 5);

/* The same for a failed system call: `result` is its negative errno, whose text is put behind the
 * words and whose error number is the one of base/errors.h. */
int failure_set_errno(Failure *f, int result, const char *format, ...) _printf_(3, 4);

/* The same for a call about a socket, whose errors are of no file. */
int failure_set_socket(Failure *f, int result, const char *format, ...) _printf_(3, 4);

/* Puts "WHAT: " in front of the text of what has just been set; returns `result`. */
int failure_prefix(Failure *f, int result, const char *what);

/* Says what exactly it was of what has just been set; returns `result`. */
int failure_reason(Failure *f, FaultReason reason, int result);

/* The text, or a fixed sentence when memory was short for it. Never NULL. */
const char *failure_text(const Failure *f);

void failure_done(Failure *f);

#define _cleanup_failure_ _cleanup_(failure_done)
