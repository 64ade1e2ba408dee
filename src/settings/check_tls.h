/* Combinations of TLS settings. */
#pragma once

#include "settings/draft.h"

/* 0 or -ENOMEM; what is wrong is noted in the draft. */
int check_tls(Draft *draft, size_t relay);
