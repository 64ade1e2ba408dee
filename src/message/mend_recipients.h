/* Recipients as programs write them that hand mail to a sendmail. Inside the layer only. */
#pragma once

#include "base/buffer.h"
#include "message/header.h"

/* Appends the field as others can read it, with the recipients that Postfix finds in it: commas in
 * the place of semicolons, and between addresses that stand side by side; an address in quotes
 * without them; and what stands in front of <...> as its name. 1; 0: it stays as it is, and nothing
 * is appended; or -ENOMEM. */
int mend_recipients(const HeaderField *field, Buffer *out);
