/* A server's certificate for --json. */
#pragma once

#include <jansson.h>

#include "certificate/certificate.h"

/* An object with the component's fields, their names in small letters ("effective_date"), and with
 * the subjects of what the server sent along ("chain"); null for NULL. NULL when memory is short.
 */
json_t *certificate_json(const Certificate *certificate);
