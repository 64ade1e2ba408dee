/* The journal's MESSAGE_ID of every kind of entry the daemon writes. Each has an entry of its own
 * in systemd/outbox.catalog, which names the fields that come with it. An id never changes its
 * meaning and is never used again. */
#pragma once

/* The daemon itself. OUTBOX_EVENT: "started", "stopping", "reloaded", "reload-refused", "limits",
 * "no-leases". */
#define MESSAGE_ID_STARTED "bc8714f78b3a4defac9d0cd817c7384f"
#define MESSAGE_ID_STOPPING "8f63e4df94ed46e1a846fa258bcbd2dd"
#define MESSAGE_ID_RELOADED "ef55341ac2d74158bb72eef903186714"
#define MESSAGE_ID_RELOAD_REFUSED "13005e4b21254e81b744fca2b4d44a7a"
#define MESSAGE_ID_LIMITS "c4c0dbc460bc4c3e80cbe5ace6bf17ec"
#define MESSAGE_ID_NO_LEASES "a692ade204844280852bcf7c65969957"

/* What a relay said about a recipient. OUTBOX_EVENT: "delivered", "deferred", "refused". */
#define MESSAGE_ID_DELIVERED "f66181a3b7b14a4982adc56efda79ba9"
#define MESSAGE_ID_DEFERRED "f4a5e808ba2c43eb842b8de3411b01fb"
#define MESSAGE_ID_REFUSED "10b2407087a94dafa0c8dbd75d4d5aac"

/* What became of a message. OUTBOX_EVENT: "sent", "retry", "failed", "returned", "recovered",
 * "waiting", "held", "abandoned", "notice", "untold". */
#define MESSAGE_ID_MESSAGE_SENT "c858c8a905384279a331d89703e0cc8a"
#define MESSAGE_ID_MESSAGE_RETRY "602d6a23a0d44b82a652b70b3a262c33"
#define MESSAGE_ID_MESSAGE_FAILED "985d8e0bd3584b67a33e53982513ec2d"
#define MESSAGE_ID_MESSAGE_RETURNED "b8a9f69a90f041259c7681f1a7cdd738"
#define MESSAGE_ID_MESSAGE_RECOVERED "270bd8fcbf694693946117108a723edc"
#define MESSAGE_ID_MESSAGE_WAITING "3f6a0c1be9a34d0f8a5d8c6c1d2e7b94"
#define MESSAGE_ID_MESSAGE_HELD "c41d7a5e6b0f4c2b9e8d3f7a2b1c0d65"
#define MESSAGE_ID_MESSAGE_ABANDONED "bf336af1fd024eddbf0cb52b2061a877"
#define MESSAGE_ID_MESSAGE_NOTICE "938a818315344c3592e35b6b1ca07b5a"
#define MESSAGE_ID_MESSAGE_UNTOLD "fa12d1dff2b740ee978649fae4286be4"

/* A relay's health. OUTBOX_EVENT: "relay-held", "relay-limited", "relay-silent", "relay-lacks",
 * "relay-expires", "relay-policy", "relay-restrained", "relay-unrestrained",
 * "relay-resumed". */
#define MESSAGE_ID_RELAY_HELD "009207a672b94b90a4b5037c51504ab7"
#define MESSAGE_ID_RELAY_LIMITED "5c9e0f4d2f7b4d6c9f2a7d3b1e8c6a40"
#define MESSAGE_ID_RELAY_SILENT "5144c7fc2eb74879b6a5e60e2e739907"
#define MESSAGE_ID_RELAY_LACKS "1d0c64be7a5a4b0f9c0f6d0a3e6f5b27"
#define MESSAGE_ID_RELAY_EXPIRES "7d2b5b521e474add8dcaad9c8e753897"
#define MESSAGE_ID_RELAY_POLICY "3f0c5e9ad1b74c5d8a6be1f4270d9c63"
#define MESSAGE_ID_RELAY_RESTRAINED "b2a0c3d4f61e4f7a9b0d5f1e7c8a4d12"
#define MESSAGE_ID_RELAY_UNRESTRAINED "e47d1c0b9a3f4c52b6d8f0a1937e5c64"
#define MESSAGE_ID_RELAY_RESUMED "7c9acf2a4e284ea3a9d81efe3d21d3c4"

/* A lane. OUTBOX_EVENT: "lane-restrained", "lane-unrestrained". */
#define MESSAGE_ID_LANE_RESTRAINED "6f2d9b0a85e14c37b1c4e0a97d3f5821"
#define MESSAGE_ID_LANE_UNRESTRAINED "a90c4e7d12b84f5e93d6b7f1c0258ae4"

/* The queue directory. OUTBOX_EVENT: "directory-lost", "directory-back". */
#define MESSAGE_ID_DIRECTORY_LOST "ebf9abf004484c16ba5702ab411e3581"
#define MESSAGE_ID_DIRECTORY_BACK "b89eee407ca24e678e229c0dd8e87bd2"

/* The database. OUTBOX_EVENT: "database-lost", "database-back". */
#define MESSAGE_ID_DATABASE_LOST "5c1c2c8c0f7e4a5f9d0ab41c6b1f3e72"
#define MESSAGE_ID_DATABASE_BACK "c7a64b0f2d1e49c3a8f5e1b7d9034a16"

/* A pickup directory. OUTBOX_EVENT: "picked-up", "pickup-refused". */
#define MESSAGE_ID_PICKED_UP "5a9749afeef34791b4aee78effe22832"
#define MESSAGE_ID_PICKUP_REFUSED "6105ac0a09724548ab90ffa9d41214c2"

/* What lasts too long. OUTBOX_EVENT: "alarm", "alarm-over". */
#define MESSAGE_ID_ALARM "28ee06916836444e96ac35edfea44a41"
#define MESSAGE_ID_ALARM_OVER "097e402435924c949bd6d8976ce1a288"

/* Any other failure of our own. OUTBOX_EVENT: "problem". */
#define MESSAGE_ID_PROBLEM "9701965d768a49cc80cd96332a65c2f2"
