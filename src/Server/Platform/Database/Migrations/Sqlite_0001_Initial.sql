CREATE TABLE "job_usages" (
    "TenantId" TEXT NOT NULL,
    "Lane" TEXT NOT NULL,
    "Seconds" REAL NOT NULL,
    "UpdatedUtc" TEXT NOT NULL,
    CONSTRAINT "PK_job_usages" PRIMARY KEY ("TenantId", "Lane")
);


CREATE TABLE "jobs" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_jobs" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Kind" TEXT NOT NULL,
    "Lane" TEXT NOT NULL,
    "Subject" TEXT NOT NULL,
    "State" TEXT NOT NULL,
    "Priority" INTEGER NOT NULL,
    "Attempt" INTEGER NOT NULL,
    "AttemptsMax" INTEGER NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "NotBeforeUtc" TEXT NOT NULL,
    "StartedUtc" TEXT NULL,
    "EndedUtc" TEXT NULL,
    "LeaseOwner" TEXT NULL,
    "LeaseUntilUtc" TEXT NULL,
    "CancelRequested" INTEGER NOT NULL,
    "Error" TEXT NULL,
    "Revision" INTEGER NOT NULL
);


CREATE TABLE "tenants" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_tenants" PRIMARY KEY,
    "Name" TEXT NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "Revision" INTEGER NOT NULL
);


CREATE TABLE "principals" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_principals" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "Email" TEXT NULL,
    "PublicKeyPem" TEXT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_principals_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "api_keys" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_api_keys" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "PrincipalId" TEXT NOT NULL,
    "Hash" TEXT NOT NULL,
    "Prefix" TEXT NOT NULL,
    "Note" TEXT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "ExpiresUtc" TEXT NULL,
    CONSTRAINT "FK_api_keys_principals_PrincipalId" FOREIGN KEY ("PrincipalId") REFERENCES "principals" ("Id") ON DELETE CASCADE
);


CREATE TABLE "grants" (
    "PrincipalId" TEXT NOT NULL,
    "Permission" TEXT NOT NULL,
    "TenantId" TEXT NOT NULL,
    CONSTRAINT "PK_grants" PRIMARY KEY ("PrincipalId", "Permission"),
    CONSTRAINT "FK_grants_principals_PrincipalId" FOREIGN KEY ("PrincipalId") REFERENCES "principals" ("Id") ON DELETE CASCADE
);


CREATE UNIQUE INDEX "IX_api_keys_Hash" ON "api_keys" ("Hash");


CREATE INDEX "IX_api_keys_PrincipalId" ON "api_keys" ("PrincipalId");


CREATE INDEX "IX_jobs_Lane_State_TenantId" ON "jobs" ("Lane", "State", "TenantId");


CREATE INDEX "IX_jobs_Subject" ON "jobs" ("Subject");


CREATE INDEX "IX_principals_Email" ON "principals" ("Email");


CREATE UNIQUE INDEX "IX_principals_TenantId_Name" ON "principals" ("TenantId", "Name");


CREATE UNIQUE INDEX "IX_tenants_Name" ON "tenants" ("Name");


