"""What the fidelity benchmark is made of.

``theory``, ``linux_cubic`` and ``chance`` are formulas; ``pairs`` draws the networks; ``drive`` runs them by the code
of ``shadowlab run``, and ``inside`` sends trains of packets and starts programs in what the same plan built; ``idle``,
``goodput``, ``packets``, ``jitter``, ``queues``, ``response``, ``marks``, ``witness`` and ``repeats`` each measure one
thing over its grid and give outcomes; ``page`` and ``plots`` make tables and pictures of those.
"""
