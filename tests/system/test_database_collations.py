"""Texts of applications, whatever language the database or a column of theirs has: they are compared as octets."""

from test_database_init import DatabaseTest


class Collations(DatabaseTest):
    """`careless` takes "A" and "a" for the same, as columns of addresses may; in Turkish the small letter of "I" has no
    dot."""

    def setUp(self):
        super().setUp()
        self.init()
        self.grant("app", "producer")
        self.sql("CREATE COLLATION careless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                 "CREATE COLLATION turkish (provider = icu, locale = 'tr');"
                 "CREATE TABLE customer (email text COLLATE careless, lane text COLLATE turkish, number text);"
                 "INSERT INTO customer VALUES ('Ann@lab.test', 'INFO', 'Order-1'); GRANT SELECT ON customer TO app")

    def put(self, sender="'shop@lab.test'", recipients="'{bob@lab.test}'", more=""):
        call = f"SELECT outbox.queue({sender}, {recipients}, 'x'{more}) FROM public.customer"
        return self.sql(call, "app")[0][0]

    def test_no_index_has_the_order_of_a_language(self):
        self.assertEqual(self.sql("SELECT attrelid::regclass, attname FROM pg_attribute"
                                  " JOIN pg_index ON indexrelid = attrelid JOIN pg_class ON pg_class.oid = indrelid"
                                  " WHERE relnamespace = 'outbox'::regnamespace AND attcollation NOT IN"
                                  " (0, (SELECT oid FROM pg_collation WHERE collname = 'C'))"), [])

    def test_an_address_from_a_column(self):
        self.put("email", "ARRAY[email]")
        self.assertEqual(self.sql("SELECT sender, address FROM outbox.message JOIN outbox.recipient ON message = id"),
                         [["Ann@lab.test", "Ann@lab.test"]])

    def test_a_lane_from_a_column(self):
        self.put("email", more=", lane => lane")
        self.assertEqual(self.sql("SELECT lane FROM outbox.ready"), [["info"]])

    def test_a_key_from_a_column(self):
        """It is one with the same octets, by whatever column it is given."""
        keys = ("number", "number COLLATE careless", "'Order-1' COLLATE turkish", "'Order-1'", "'order-1'")
        numbers = [self.put("email", more=f", key => {key}") for key in keys]
        self.assertEqual(len(set(numbers[:-1])), 1)
        self.assertNotEqual(numbers[-1], numbers[0])
