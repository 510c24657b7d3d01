def mongodb(folder):
    raise NotImplementedError
