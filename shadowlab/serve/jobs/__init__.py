"""What-if questions asked over the API: each a child process, a bounded number, for a bounded time.

In: questions.  Out: progress and answers.  Never: a child that outlives the server.
"""
