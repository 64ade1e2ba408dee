/* The options that say how a message is to be carried: parameters of its envelope (X-Sender,
 * X-Receiver) and its lane (X-Outbox-Lane), for whole messages and composed ones. */
#pragma once

#include "tool/input.h"

/* Their values, behind those of input.c. */
enum {
    INPUT_TERMS_FIRST = TOOL_LETTER_MAX + 200,
    INPUT_REQUIRE_TLS = INPUT_TERMS_FIRST,
    INPUT_DELIVER_BY,
    INPUT_MT_PRIORITY,
    INPUT_HOLD_FOR,
    INPUT_HOLD_UNTIL,
    INPUT_NOTIFY,
    INPUT_RET,
    INPUT_ENVID,
    INPUT_LANE,
    INPUT_TERMS_END,
};

/* Takes one of them. 0 or an exit status, after having said what is wrong. */
int input_terms_option(ToolInput *input, const Command *command, int option, const char *value);

/* Gives the message that starts so an envelope with what the options say, which counts instead of
 * what its own says with the same keyword. 0 or a negative errno with a Failure. */
int input_terms_apply(const ToolInput *input, Buffer *start, const InputRest *rest, Failure *f);
