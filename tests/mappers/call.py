from archsim.mappers.branch import search_problem as real
from archsim.mappers.settings import MapperSettings


def search_problem(problem, costing, objective, *, perfect=False, skipped=frozenset()):
    settings = MapperSettings(objective=objective, perfect_factors=perfect, budget_s=1e6)
    return real(problem, costing, settings, skipped=skipped)
