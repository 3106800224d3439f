"""Face: what is known of runs and watches, over HTTP: the JSON API, live events, metrics and the web page.

In: folders of runs and state folders of watches, questions of people.  Out: JSON, events, text for Prometheus; a child
process for each what-if question.  Never: a write into a folder that it shows.
"""
