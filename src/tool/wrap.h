/* Lines that fit a terminal: standard output and standard error break them between words, so that
 * no command has to. In a pipe or a file nothing is broken. */
#pragma once

#include <stdio.h>

/* Lets a stream that is a terminal break its lines at the terminal's width, further lines below the
 * first one's text. What is not broken stays as it is: where memory is short, all of it. */
void wrap_terminal(FILE **stream, int fd);

/* Somebody has typed the end of the line that is on the terminal: what comes is on a new one. */
void wrap_answered(FILE *stream);

/* What is written from now on is a program's, such as JSON or a message: nothing is broken. */
void wrap_as_is(FILE *stream);
