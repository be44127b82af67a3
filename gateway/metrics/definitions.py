"""What each number means, in one sentence: the one place that screens, docs and commands take it from."""

from __future__ import annotations

DEFINITIONS = {
    "entered": "Leads that became known, merged people counted once and forgotten people still counted.",
    "deal": "A deal that was won in the period, however many people it has; so is a lead that was won without one.",
    "deal revenue": "The deal's amount, once, at the rate of the day it was won; shares are rounded so that they add "
    "up to all of it.",
    "touch": "One thing that a person of the deal did by then and that names a channel (campaign, asset); of a win "
    "known by its day alone, all of that day.",
    "anchor": "The last touch by then: of an MQL or a qualification that nobody told of, the last of all; a touch that "
    "is several earns for each, and where no other is left, the anchors share the rest.",
    "journeys": "What markov learns from: the deals of the period, and everybody touched in it who had bought nothing "
    "by its end, with all that touched them before.",
    "reason": "Deals whose person had last been recycled for it, before the handoff that the deal counts for.",
    "revenue": "Amounts of deals won, each once, at the rate of the day it was won; split equally among its leads, "
    "to the cent, odd cents to the first by id.",
    "stage": "Leads that reached the stage, wherever they stand today; reaching a later stage reaches it, too.",
    "conversion": "Leads that reached the stage, divided by those that reached the listed stage before it.",
    "excluded": "Leads that are never handed to sales at present, by the first reason in journey.yaml that holds.",
    "outcome": "Leads for which sales ever reported the outcome, with or without a handoff.",
    "won_before_entry": "Leads won before they became known: counted as won, and listed because a date must be wrong.",
    "hit": "Handoffs to which the rule gave points, or took them from, in the score that they were opened with.",
    "good": "Handoffs that sales qualified, or after which the lead bought before being handed over again; of those "
    "that have ended or were won.",
    "lift": "The share of good ones with the rule, divided by the share of all: 1 tells nothing, 2 doubles it.",
    "ideal": "Leads for which the condition under `ideal:` in journey.yaml holds for their persona, as they are known "
    "today.",
    "low": "In the lowest quarter of the period's handoffs, by the score each was opened with.",
    "high": "In the highest quarter of them.",
    "maturing": "Not every lead of the cohort has been known for as long as the median lead took to win.",
    "passed": "Records that marketing's systems count by `counts:` in their mapping files, asked live.",
    "received": "Records that sales' systems count by `counts:` in their mapping files, asked live.",
    "only": "Counted on one side alone; what only marketing counts less what only sales counts is the difference.",
    "generation": "Of the handoff opened last before a deal was won, of any of its people: 1 plus its returns.",
    "recycled": "Handoffs that ended recycled in the period, by the reason given.",
    "returned": "Those of them after which the lead was handed over again, whenever that was.",
    "engagement": "One thing a lead did with an asset, in a channel or for a campaign, as its system told.",
    "reached": "Of all leads that ever bought, and of all others, the share that engaged at least once in the period.",
    "points": "What one fresh engagement earns in the model in use, of 100, before limits, for a lead of no persona, "
    "the mean of a row's engagements; where the model weighs content, by the stage that it serves.",
    "score": "The mean of the scores that its leads have now, of 100.",
    "great": "The share of its leads that are in the band great now; of those that have a score.",
    "campaign": "The campaign of a lead's first touch that names one: each lead counts for one campaign, or for none.",
    "cost": "What was imported with `gateway import FILE --costs`, spread over its days, at the rate of the first.",
    "return": "Revenue less cost, divided by cost; in all: of the campaigns that have a cost.",
    "step": "Leads that reached both stages, by the first time at each; where one time is only concluded it is unsure.",
    "bottleneck": "The step with the longest median, of those that at least 5 leads took; the others are named.",
    "response": "From getting a handoff to an owner's first word of it: accepted, contacted, or ended by a person.",
    "in_time": "Handoffs with that first word within the response time of journey.yaml, of those that got one or whose "
    "time is over.",
    "by_a_person": "Handoffs that a person ended before the end of follow-up, of those that ended or whose follow-up "
    "is over.",
    "range": "Where the true rate lies, 19 times of 20, by Wilson's interval: the fewer leads, the wider.",
    "too young": "At the step's first stage for less time than nine of ten took: left out, else the rate would be low.",
    "covered": "History covers a step if systems told of its first stage, long enough ago for nine of ten to go on.",
    "baseline": "The rate of the step in the history that goals.yaml names, of leads that have had long enough.",
    "wanted": "What the goal says: the share to reach, or the baseline raised by so much of it.",
    "so far": "Of the leads that reached the step's first stage after the baseline, the share that went on by now.",
    "state": "Reached, if so far is at least what is wanted; missed, if not and its day is over; else on course, if "
    "the forecast is at least what is wanted, or behind.",
    "forecast": "Who has gone on, and of the others the chance that they do by the goal's day, as in the baseline.",
    "cohort": "Leads by the time they became known, wherever they went since; days are those of the instance's zone.",
    "period": "Each count is of what happened in the period, whenever those leads had become known: a conversion is no "
    "share of the same leads.",
}
