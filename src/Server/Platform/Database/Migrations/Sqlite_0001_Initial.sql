CREATE TABLE "tenants" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_tenants" PRIMARY KEY,
    "Name" TEXT NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "Revision" INTEGER NOT NULL
);


CREATE TABLE "datasets" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_datasets" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "Type" TEXT NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "LatestVersion" INTEGER NOT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_datasets_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "einstein_datasets" (
    "TenantId" TEXT NOT NULL,
    "Number" INTEGER NOT NULL,
    "Name" TEXT NOT NULL,
    "Type" TEXT NOT NULL,
    "Language" TEXT NOT NULL,
    "Dataset" TEXT NOT NULL,
    "ImportId" TEXT NOT NULL,
    "VersionBefore" INTEGER NULL,
    "CreatedUtc" TEXT NOT NULL,
    "UpdatedUtc" TEXT NOT NULL,
    "DeletedUtc" TEXT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "PK_einstein_datasets" PRIMARY KEY ("TenantId", "Number"),
    CONSTRAINT "FK_einstein_datasets_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "einstein_deletions" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_einstein_deletions" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Type" TEXT NOT NULL,
    "DeletedObjectId" TEXT NOT NULL,
    "AtUtc" TEXT NOT NULL,
    CONSTRAINT "FK_einstein_deletions_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "einstein_models" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_einstein_models" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "DatasetNumber" INTEGER NOT NULL,
    "Name" TEXT NOT NULL,
    "Type" TEXT NOT NULL,
    "Language" TEXT NOT NULL,
    "Algorithm" TEXT NULL,
    "Epochs" INTEGER NULL,
    "LearningRate" REAL NULL,
    "TrainParams" TEXT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_einstein_models_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "imports" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_imports" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Dataset" TEXT NOT NULL,
    "DatasetId" TEXT NULL,
    "Type" TEXT NOT NULL,
    "State" TEXT NOT NULL,
    "Progress" REAL NOT NULL,
    "Request" TEXT NOT NULL,
    "Files" TEXT NOT NULL,
    "Version" INTEGER NULL,
    "Samples" INTEGER NULL,
    "Skipped" INTEGER NULL,
    "Error" TEXT NULL,
    "Problems" TEXT NOT NULL,
    "ProblemCount" INTEGER NOT NULL,
    "Warnings" TEXT NOT NULL,
    "WarningCount" INTEGER NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "EndedUtc" TEXT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_imports_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "job_usages" (
    "TenantId" TEXT NOT NULL,
    "Lane" TEXT NOT NULL,
    "Seconds" REAL NOT NULL,
    "UpdatedUtc" TEXT NOT NULL,
    CONSTRAINT "PK_job_usages" PRIMARY KEY ("TenantId", "Lane"),
    CONSTRAINT "FK_job_usages_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
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
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_jobs_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "model_imports" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_model_imports" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Model" TEXT NOT NULL,
    "File" TEXT NOT NULL,
    "FileDigest" TEXT NOT NULL,
    "FileBytes" INTEGER NOT NULL,
    "Request" TEXT NOT NULL,
    "State" TEXT NOT NULL,
    "Stage" TEXT NULL,
    "Version" INTEGER NULL,
    "Error" TEXT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "EndedUtc" TEXT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_model_imports_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "models" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_models" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "LatestVersion" INTEGER NOT NULL,
    "Notes" TEXT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_models_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
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


CREATE TABLE "repeatable_requests" (
    "TenantId" TEXT NOT NULL,
    "PrincipalId" TEXT NOT NULL,
    "Key" TEXT NOT NULL,
    "Digest" TEXT NULL,
    "Status" INTEGER NULL,
    "ContentType" TEXT NULL,
    "Location" TEXT NULL,
    "Body" BLOB NULL,
    "ExpiresUtc" TEXT NOT NULL,
    CONSTRAINT "PK_repeatable_requests" PRIMARY KEY ("TenantId", "PrincipalId", "Key"),
    CONSTRAINT "FK_repeatable_requests_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "runs" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_runs" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Experiment" TEXT NOT NULL,
    "State" TEXT NOT NULL,
    "Dataset" TEXT NOT NULL,
    "DatasetVersion" INTEGER NOT NULL,
    "Model" TEXT NOT NULL,
    "ModelVersion" INTEGER NULL,
    "Target" TEXT NULL,
    "By" TEXT NULL,
    "Seed" INTEGER NOT NULL,
    "MinutesMax" REAL NULL,
    "Parameters" TEXT NOT NULL,
    "Stage" TEXT NULL,
    "Progress" REAL NOT NULL,
    "Attempt" INTEGER NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "StartedUtc" TEXT NULL,
    "EndedUtc" TEXT NULL,
    "Error" TEXT NULL,
    "Metrics" TEXT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "FK_runs_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "tenant_limits" (
    "TenantId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "Value" REAL NOT NULL,
    CONSTRAINT "PK_tenant_limits" PRIMARY KEY ("TenantId", "Name"),
    CONSTRAINT "FK_tenant_limits_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "usage_days" (
    "TenantId" TEXT NOT NULL,
    "Day" TEXT NOT NULL,
    "Requests" INTEGER NOT NULL,
    "Samples" INTEGER NOT NULL,
    "ExecutionMicroseconds" INTEGER NOT NULL,
    "ResidentBytesMax" INTEGER NOT NULL,
    "Refusals" INTEGER NOT NULL,
    "ModelLoads" INTEGER NOT NULL,
    CONSTRAINT "PK_usage_days" PRIMARY KEY ("TenantId", "Day"),
    CONSTRAINT "FK_usage_days_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "dataset_versions" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_dataset_versions" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "DatasetId" TEXT NOT NULL,
    "Number" INTEGER NOT NULL,
    "ManifestDigest" TEXT NOT NULL,
    "DataDigest" TEXT NOT NULL,
    "IndexDigest" TEXT NOT NULL,
    "SampleCount" INTEGER NOT NULL,
    "Bytes" INTEGER NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    CONSTRAINT "FK_dataset_versions_datasets_DatasetId" FOREIGN KEY ("DatasetId") REFERENCES "datasets" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_dataset_versions_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "einstein_examples" (
    "TenantId" TEXT NOT NULL,
    "Number" INTEGER NOT NULL,
    "DatasetNumber" INTEGER NOT NULL,
    "Label" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "Digest" TEXT NOT NULL,
    "IsFeedback" INTEGER NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    CONSTRAINT "PK_einstein_examples" PRIMARY KEY ("TenantId", "Number"),
    CONSTRAINT "FK_einstein_examples_einstein_datasets_TenantId_DatasetNumber" FOREIGN KEY ("TenantId", "DatasetNumber") REFERENCES "einstein_datasets" ("TenantId", "Number") ON DELETE CASCADE,
    CONSTRAINT "FK_einstein_examples_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "endpoints" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_endpoints" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "ModelId" TEXT NOT NULL,
    "IsPinned" INTEGER NOT NULL,
    "LogRate" REAL NOT NULL,
    "LogDays" INTEGER NOT NULL,
    CONSTRAINT "FK_endpoints_models_ModelId" FOREIGN KEY ("ModelId") REFERENCES "models" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_endpoints_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "model_aliases" (
    "ModelId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "TenantId" TEXT NOT NULL,
    "Version" INTEGER NOT NULL,
    "Revision" INTEGER NOT NULL,
    CONSTRAINT "PK_model_aliases" PRIMARY KEY ("ModelId", "Name"),
    CONSTRAINT "FK_model_aliases_models_ModelId" FOREIGN KEY ("ModelId") REFERENCES "models" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_model_aliases_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "model_versions" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_model_versions" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "ModelId" TEXT NOT NULL,
    "Number" INTEGER NOT NULL,
    "Digest" TEXT NOT NULL,
    "Bytes" INTEGER NOT NULL,
    "ServingDigest" TEXT NOT NULL,
    "GraphDigest" TEXT NULL,
    "OwnSessionReason" TEXT NULL,
    "ReportDigest" TEXT NOT NULL,
    "Algorithm" TEXT NOT NULL,
    "Signature" TEXT NOT NULL,
    "Metrics" TEXT NOT NULL,
    "Lineage" TEXT NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    CONSTRAINT "FK_model_versions_models_ModelId" FOREIGN KEY ("ModelId") REFERENCES "models" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_model_versions_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "promotions" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_promotions" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "ModelId" TEXT NOT NULL,
    "Version" INTEGER NOT NULL,
    "To" TEXT NOT NULL,
    "Replaced" INTEGER NULL,
    "Promoted" INTEGER NOT NULL,
    "Gates" TEXT NOT NULL,
    "By" TEXT NOT NULL,
    "AtUtc" TEXT NOT NULL,
    CONSTRAINT "FK_promotions_models_ModelId" FOREIGN KEY ("ModelId") REFERENCES "models" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_promotions_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
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
    CONSTRAINT "FK_api_keys_principals_PrincipalId" FOREIGN KEY ("PrincipalId") REFERENCES "principals" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_api_keys_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "grants" (
    "PrincipalId" TEXT NOT NULL,
    "Permission" TEXT NOT NULL,
    "TenantId" TEXT NOT NULL,
    CONSTRAINT "PK_grants" PRIMARY KEY ("PrincipalId", "Permission"),
    CONSTRAINT "FK_grants_principals_PrincipalId" FOREIGN KEY ("PrincipalId") REFERENCES "principals" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_grants_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "refresh_tokens" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_refresh_tokens" PRIMARY KEY,
    "TenantId" TEXT NOT NULL,
    "PrincipalId" TEXT NOT NULL,
    "Hash" TEXT NOT NULL,
    "CreatedUtc" TEXT NOT NULL,
    "UsedUtc" TEXT NULL,
    CONSTRAINT "FK_refresh_tokens_principals_PrincipalId" FOREIGN KEY ("PrincipalId") REFERENCES "principals" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_refresh_tokens_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "run_logs" (
    "RunId" TEXT NOT NULL,
    "Number" INTEGER NOT NULL,
    "TenantId" TEXT NOT NULL,
    "AtUtc" TEXT NOT NULL,
    "Message" TEXT NOT NULL,
    CONSTRAINT "PK_run_logs" PRIMARY KEY ("RunId", "Number"),
    CONSTRAINT "FK_run_logs_runs_RunId" FOREIGN KEY ("RunId") REFERENCES "runs" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_run_logs_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE TABLE "run_metrics" (
    "RunId" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "Step" INTEGER NOT NULL,
    "TenantId" TEXT NOT NULL,
    "Value" REAL NOT NULL,
    CONSTRAINT "PK_run_metrics" PRIMARY KEY ("RunId", "Name", "Step"),
    CONSTRAINT "FK_run_metrics_runs_RunId" FOREIGN KEY ("RunId") REFERENCES "runs" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_run_metrics_tenants_TenantId" FOREIGN KEY ("TenantId") REFERENCES "tenants" ("Id") ON DELETE CASCADE
);


CREATE UNIQUE INDEX "IX_api_keys_Hash" ON "api_keys" ("Hash");


CREATE INDEX "IX_api_keys_PrincipalId" ON "api_keys" ("PrincipalId");


CREATE INDEX "IX_api_keys_TenantId" ON "api_keys" ("TenantId");


CREATE UNIQUE INDEX "IX_dataset_versions_DatasetId_Number" ON "dataset_versions" ("DatasetId", "Number");


CREATE INDEX "IX_dataset_versions_TenantId" ON "dataset_versions" ("TenantId");


CREATE UNIQUE INDEX "IX_datasets_TenantId_Name" ON "datasets" ("TenantId", "Name");


CREATE INDEX "IX_einstein_deletions_TenantId" ON "einstein_deletions" ("TenantId");


CREATE INDEX "IX_einstein_examples_TenantId_DatasetNumber" ON "einstein_examples" ("TenantId", "DatasetNumber");


CREATE INDEX "IX_einstein_models_TenantId_DatasetNumber" ON "einstein_models" ("TenantId", "DatasetNumber");


CREATE INDEX "IX_endpoints_ModelId" ON "endpoints" ("ModelId");


CREATE UNIQUE INDEX "IX_endpoints_TenantId_Name" ON "endpoints" ("TenantId", "Name");


CREATE INDEX "IX_grants_TenantId" ON "grants" ("TenantId");


CREATE INDEX "IX_imports_TenantId_State" ON "imports" ("TenantId", "State");


CREATE INDEX "IX_jobs_Lane_State_TenantId" ON "jobs" ("Lane", "State", "TenantId");


CREATE INDEX "IX_jobs_Subject" ON "jobs" ("Subject");


CREATE INDEX "IX_jobs_TenantId" ON "jobs" ("TenantId");


CREATE INDEX "IX_model_aliases_TenantId" ON "model_aliases" ("TenantId");


CREATE INDEX "IX_model_imports_TenantId_State" ON "model_imports" ("TenantId", "State");


CREATE UNIQUE INDEX "IX_model_versions_ModelId_Number" ON "model_versions" ("ModelId", "Number");


CREATE INDEX "IX_model_versions_TenantId" ON "model_versions" ("TenantId");


CREATE UNIQUE INDEX "IX_models_TenantId_Name" ON "models" ("TenantId", "Name");


CREATE INDEX "IX_principals_Email" ON "principals" ("Email");


CREATE UNIQUE INDEX "IX_principals_TenantId_Email" ON "principals" ("TenantId", "Email");


CREATE UNIQUE INDEX "IX_principals_TenantId_Name" ON "principals" ("TenantId", "Name");


CREATE INDEX "IX_promotions_ModelId" ON "promotions" ("ModelId");


CREATE INDEX "IX_promotions_TenantId" ON "promotions" ("TenantId");


CREATE UNIQUE INDEX "IX_refresh_tokens_Hash" ON "refresh_tokens" ("Hash");


CREATE INDEX "IX_refresh_tokens_PrincipalId" ON "refresh_tokens" ("PrincipalId");


CREATE INDEX "IX_refresh_tokens_TenantId" ON "refresh_tokens" ("TenantId");


CREATE INDEX "IX_run_logs_TenantId" ON "run_logs" ("TenantId");


CREATE INDEX "IX_run_metrics_TenantId" ON "run_metrics" ("TenantId");


CREATE INDEX "IX_runs_TenantId_Model" ON "runs" ("TenantId", "Model");


CREATE UNIQUE INDEX "IX_tenants_Name" ON "tenants" ("Name");


CREATE INDEX "IX_usage_days_Day_TenantId" ON "usage_days" ("Day", "TenantId");


