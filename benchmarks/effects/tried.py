"""What was tried where an effect does not show, by system; printed under the table of effects."""

TRIED = {
    "aw+iql": (
        "IQL's rewards on the pendulum at a tenth, since its exponential weights are for advantages of about one. In "
        "the maze and on the hopper the effect shows."
    ),
    "aw+td3_bc": (
        "The hopper has published numbers but 5,000 updates, a two-hundredth of the published training; both sides "
        "stay near a tenth of the expert's score. On both embedded mixtures the effect shows."
    ),
    "cocoa": (
        "Ten seeds. The anchors do lie nearer to the data (own row), and the mean score is higher, within the noise."
    ),
    "dpt": (
        "Nothing further: it comes within a tenth of Thompson sampling, which knows the prior (own row), not below it."
    ),
    "hilp": (
        "Cloning has its better number of updates of those tried (1,000 and 3,000), and reaches nearly as many goals;"
        " the steps spent at the goal tell the two apart (own rows)."
    ),
    "pgd": (
        "In the maze a generator of 4,000 updates and 16 levels, then one of 20,000 and 32: made windows became "
        "better (error of successors 0.0145, then 0.0042; scores 57, then 61) but real steps stayed ahead, and "
        "guidance made no difference to the score. On the halfcheetah guided windows double the score of unguided "
        "ones."
    ),
    "pgd_iql": (
        "As for pgd: with the longer trained generator unguided windows gained 18 points, guided ones 10. On the "
        "halfcheetah both stay far below real steps at a two-hundredth of the actor's published training."
    ),
    "props": (
        "The sampling error falls as published (own row). A buffer of old steps without the correction was measured "
        "too: on CartPole neither helps PPO, on Acrobot the gain over the buffer alone is within the noise of eight "
        "seeds."
    ),
    "ravl": (
        "Cuts after five steps (nothing fails), after two (MOPO is overrated for a while only) and after one with "
        "discount 0.99 (MOPO fails for good); diversity 0.1 and 1; a plane whose reward rises towards the edge of "
        "reach. Values are overrated less wherever MOPO's are; returns are better in the last case only, within its "
        "noise."
    ),
    "resip": (
        "Nothing further: PPO from scratch learns this maze in as many steps. Against the clone that it corrects the "
        "effect shows."
    ),
    "riql": (
        "Two environments, four corruptions each. It shows where the corruption costs IQL most: reward and dynamics "
        "in the maze, observations and dynamics on the pendulum. Where IQL loses little there is little to win back."
    ),
    "synther": (
        "On the pendulum 6,000 updates of the generator lost 21 points to real data, 20,000 lose 5. A tenth of the "
        "small maze is still all that TD3+BC needs, so little data are a fiftieth of it (shown), and a tenth of the "
        "large maze."
    ),
    "wsrl": (
        "A larger maze and a heavy penalty, for in the small maze nothing drops. Without the frozen policy's steps it"
        " does not drop there either, so they have nothing to prevent."
    ),
}
"""System -> what was tried, and what that says."""


def notes(unshown: list[str]) -> str:
    """Markdown on these systems."""
    return "".join(f"* `{name}`: {TRIED[name]}\n" for name in dict.fromkeys(unshown))
