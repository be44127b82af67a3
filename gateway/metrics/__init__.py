"""The numbers both teams look at. In: aggregates that the store counted. Out: JSON for programs, tables for people.

``definitions`` says what each number means, ``funnel`` does the arithmetic, ``report`` prints it.
"""
