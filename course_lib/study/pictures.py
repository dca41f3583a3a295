def draw(result):
    return {}
