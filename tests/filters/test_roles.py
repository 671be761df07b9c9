import pytest

from seedbed_backend.filters.roles import exchanged


@pytest.mark.parametrize(
    ("source", "rewrite", "pair"),
    [
        ("The tenant pays the landlord a deposit before moving in.",
         "The landlord pays the tenant a deposit before moving in.", "landlord ↔ tenant"),
        ("The museum was moved from Leeds to Bradford in 1987.",
         "In 1987 the museum was moved from Bradford to Leeds.", "bradford ↔ leed"),
        ("He studied law in Vienna and medicine in Graz.",
         "He studied medicine in Vienna and law in Graz.", "law ↔ medicin"),
        ("The song was written by Ella Marsh and produced by Tom Reid.",
         "The song was written by Tom Reid and produced by Ella Marsh.", "ella marsh ↔ tom reid"),
        ("The supplier shall send the customer an invoice each month.",
         "Each month, the customer shall send an invoice to the supplier.", "customer ↔ supplier"),
        ("Peter Lund was replaced by Jon Hart in 2004.", "Peter Lund replaced Jon Hart in 2004.",
         "jon hart ↔ peter lund"),
        ("The larger bridge was built in 1911, the smaller one in 1930.",
         "The smaller bridge was built in 1911, the larger one in 1930.", "larger ↔ smaller"),
        ("The pianist was Ada Kent, and Rob Hale was the singer.",
         "The pianist was Rob Hale, and Ada Kent was the singer.", "ada kent ↔ rob hal"),
        ("A discount of 15 % for 3 months.", "A discount of 3 % for 15 months.", "15 ↔ 3"),
    ],
)  # fmt: skip
def test_names_who_took_whose_place(source, rewrite, pair):
    assert set(pair.split()) <= set(" ".join(exchanged(source, rewrite)).split())


@pytest.mark.parametrize(
    ("source", "rewrite"),
    [
        # passive and active
        ("The tenant pays the landlord a deposit before moving in.",
         "A deposit is paid to the landlord by the tenant before moving in."),
        ("Anna Weiss defeated Maria Lopez in the final.",
         "Maria Lopez was defeated by Anna Weiss in the final."),
        ("Our office in Graz supports the team in Linz with payroll.",
         "The team in Linz is supported with payroll by our office in Graz."),
        # what moves with its preposition
        ("In 1987 the museum was moved from Leeds to Bradford by the city.",
         "The city moved the museum from Leeds to Bradford in 1987."),
        ("The county is bordered by Ross to the north and Pike to the south.",
         "The county is bordered to the north by Ross and to the south by Pike."),
        # lists
        ("The plant is found in the forests of Ecuador and Peru.",
         "The plant is found in the forests of Peru and Ecuador."),
        ("The film stars Ada Kent, Rob Hale and Lee Sung as brothers.",
         "The film stars Lee Sung, Rob Hale and Ada Kent as brothers."),
        ("It is written in the German language and the Dutch language.",
         "It is written in the Dutch language and the German language."),
        ("Her father was Greek and her mother was Polish.",
         "Her mother was Polish and her father was Greek."),
        # two objects, compounds
        ("The nurse gave the patient a glass of water.",
         "The nurse gave a glass of water to the patient."),
        ("You get a trial free of risk for 30 days.", "You get a risk-free trial for 30 days."),
        ("", "Anything at all."),
    ],
)  # fmt: skip
def test_another_order_is_no_other_role(source, rewrite):
    assert exchanged(source, rewrite) == ()
    assert exchanged(rewrite, source) == ()
