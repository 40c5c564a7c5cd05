-- Floor B: the same transition as one stored call, which is one transaction.

SELECT bench_transition(('01980000000070008000' || :request::text)::uuid, ('01980000000070008000' || :incident::text)::uuid,
                        ('01980000000070008000' || :scope::text)::uuid,
                        ('01980000000070008000' || :handoff::text)::uuid, :at, :event::bytea, :hash::bytea,
                        :answer::bytea, :disclosure::bytea, :obligations, :personal, :handoffs, :dense);
