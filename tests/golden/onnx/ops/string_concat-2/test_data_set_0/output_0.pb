2
straßethe2
straßea b2Cata b2the2	Ωmegaa b2Cata b