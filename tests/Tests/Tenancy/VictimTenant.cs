using System.Security.Cryptography;
using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Deployments;
using Atoll.Einstein;
using Atoll.ModelImports;
using Atoll.Monitoring;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Promotion;
using Atoll.Registry;
using Atoll.Tenancy;
using Atoll.Training;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Tenancy;

/// <summary>A tenant that has one row in every table, and a picture of all it has.</summary>
internal sealed class VictimTenant(TestServer server, CreatedTenantResponse tenant, HttpClient administrator)
{
    /// <summary>Ids that stand in bodies, not in addresses; those of the first victim of a server.</summary>
    public const long EinsteinDatasetNumber = 4_242_424;
    public const string EinsteinModelId = "VICTIMVICTIMVICTIMVICTIM22";

    private static readonly DateTime Then = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>A real value for every route parameter.</summary>
    public required IReadOnlyDictionary<string, string> Values { get; init; }

    public HttpClient Administrator => administrator;

    public string TenantId => tenant.Tenant.Id;

    /// <summary>Words that no answer to another tenant may hold.</summary>
    public IEnumerable<string> Secrets => Values.Where(value => value.Key is not ("version" or "alias" or "permission" or "sample" or "limit" or "day")).Select(value => value.Value);

    /// <summary>A second one in the same server, whose ids differ.</summary>
    public static Task<VictimTenant> CreateOtherAsync(TestServer server) => CreateAsync(server, "bystander");

    public static async Task<VictimTenant> CreateAsync(TestServer server, string mark = "victim")
    {
        var (tenant, administrator) = await server.CreateTenantAsync();
        var principal = await administrator.CreatePrincipalAsync("victim-principal", [Permissions.Predict], "victim@example.com");
        var key = await administrator.CreateKeyAsync("victim-principal");
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var blobs = scope.ServiceProvider.GetRequiredService<BlobStore>();
        var artifact = await blobs.WriteAsync(tenant.Tenant.Id, Encoding.UTF8.GetBytes("victim's model"), default);
        var lineage = new ModelLineage
        {
            Run = $"run_{mark}", Dataset = "victim-dataset", DatasetVersion = 1, DatasetDigest = artifact.Digest, Recipe = "r", Seed = 1, CodeVersion = "1", Machine = "m",
        };
        var signature = new ModelSignature { Task = TaskKinds.Regression, SampleType = "tabular", Inputs = [], Outputs = [] };
        db.AddRange(
            new RefreshToken { Id = $"rft_{mark}", PrincipalId = principal.Id, Hash = ApiKeys.HashOf($"atr_{mark}"), CreatedUtc = Then },
            new RepeatableRequest { PrincipalId = principal.Id, Key = "victim-key", Status = 201, Digest = "x", ExpiresUtc = DateTime.MaxValue },
            new Job { Id = $"job_{mark}", Kind = TrainRun.Kind, Lane = "victim's lane", Subject = $"run_{mark}", State = JobState.Queued, AttemptsMax = 1, CreatedUtc = Then, NotBeforeUtc = DateTime.MaxValue },
            new TenantLimitOverride { Name = "datasetsMax", Value = 999 },
            new UsageDay { Day = "2026-01-01", Requests = 4242 },
            new JobUsage { Lane = "victim's lane", Seconds = 1, UpdatedUtc = Then },
            new Dataset { Id = $"dst_{mark}", Name = "victim-dataset", Type = "tabular", CreatedUtc = Then, LatestVersion = 1 },
            new DatasetVersion
            {
                Id = $"dsv_{mark}", DatasetId = $"dst_{mark}", Number = 1, ManifestDigest = artifact.Digest, DataDigest = artifact.Digest, IndexDigest = artifact.Digest,
                SampleCount = 1, Bytes = 1, CreatedUtc = Then,
            },
            new Import
            {
                Id = $"imp_{mark}", Dataset = "victim-dataset", DatasetId = $"dst_{mark}", Type = "tabular", State = ImportStates.Succeeded, Request = new ImportRequest(), Files = [],
                Version = 1, CreatedUtc = Then, EndedUtc = Then,
            },
            new ModelImport
            {
                Id = $"mim_{mark}", Model = "victim-model", File = "victim.onnx", FileDigest = artifact.Digest, FileBytes = 1, Request = new ModelImportRequest(),
                State = ImportStates.Succeeded, Version = 1, CreatedUtc = Then, EndedUtc = Then,
            },
            new Model { Id = $"mdl_{mark}", Name = "victim-model", CreatedUtc = Then, LatestVersion = 1 },
            new ModelVersion
            {
                Id = $"mdv_{mark}", ModelId = $"mdl_{mark}", Number = 1, Digest = artifact.Digest, Bytes = artifact.Bytes, ServingDigest = artifact.Digest, ReportDigest = artifact.Digest, Algorithm = "a",
                Signature = signature, Metrics = new() { ["rmse"] = 1 }, Lineage = lineage, CreatedUtc = Then,
            },
            new ModelAlias { ModelId = $"mdl_{mark}", Name = "victim-alias", Version = 1 },
            new ModelAlias { ModelId = $"mdl_{mark}", Name = Aliases.Latest, Version = 1 },
            new Endpoint { Id = $"end_{mark}", Name = "victim-model", ModelId = $"mdl_{mark}" },
            new PromotionRecord { Id = $"prm_{mark}", ModelId = $"mdl_{mark}", Version = 1, To = Aliases.Staging, Promoted = true, Gates = [], By = "victim-principal", AtUtc = Then },
            new Run
            {
                Id = $"run_{mark}", Experiment = "victim-experiment", State = RunStates.Succeeded, Dataset = "victim-dataset", DatasetVersion = 1, Model = "victim-model",
                Seed = 1, Parameters = [], CreatedUtc = Then, EndedUtc = Then,
            },
            new EinsteinDataset
            {
                Number = EinsteinDatasetNumber, Name = "victim's weather", Type = EinsteinTypes.TextIntent, Language = "en_US", Dataset = "victim-dataset", ImportId = $"imp_{mark}", CreatedUtc = Then,
                UpdatedUtc = Then,
            },
            new EinsteinModel
            {
                Id = ModelIdOf(mark), DatasetNumber = EinsteinDatasetNumber, Name = "victim's intents", Type = EinsteinTypes.TextIntent, Language = "en_US", CreatedUtc = Then,
            },
            new EinsteinExample { Number = 4_242_425, DatasetNumber = EinsteinDatasetNumber, Label = "victim's label", Name = "victim.png", Digest = artifact.Digest, IsFeedback = true, CreatedUtc = Then },
            new EinsteinDeletion { Id = $"deletion_{mark}", Type = "MODEL", DeletedObjectId = "victim's other model", AtUtc = Then },
            new RunMetric { RunId = $"run_{mark}", Name = "loss", Step = 1, Value = 1 },
            new RunLog { RunId = $"run_{mark}", Number = 1, AtUtc = Then, Message = "victim's log" });
        await db.SaveChangesAsync();
        var predictions = server.Server.Services.GetRequiredService<PredictionLog>();
        predictions.Add(tenant.Tenant.Id, $"end_{mark}", "{\"input\":\"victim's prediction\"}\n"u8.ToArray());
        predictions.Flush();
        return new VictimTenant(server, tenant, administrator)
        {
            Values = new Dictionary<string, string>
            {
                ["limit"] = "datasetsMax",
                ["tenant"] = tenant.Tenant.Name,
                ["principal"] = "victim-principal",
                ["permission"] = Permissions.DatasetsRead,
                ["key"] = key.Id,
                ["token"] = $"rft_{mark}",
                ["dataset"] = "victim-dataset",
                ["sample"] = "1",
                ["import"] = $"imp_{mark}",
                ["modelImport"] = $"mim_{mark}",
                ["model"] = "victim-model",
                ["endpoint"] = "victim-model",
                ["version"] = "1",
                ["alias"] = "victim-alias",
                ["run"] = $"run_{mark}",
                ["datasetId"] = $"{EinsteinDatasetNumber}",
                ["labelId"] = $"{EinsteinText.LabelId(EinsteinDatasetNumber, 0)}",
                ["modelId"] = ModelIdOf(mark),
                ["exampleId"] = "4242425",
                ["deletionId"] = $"deletion_{mark}",
                ["day"] = Assert.Single(predictions.FilesOf(tenant.Tenant.Id, $"end_{mark}")).Day,
            },
        };
    }

    private static string ModelIdOf(string mark) => mark == "victim" ? EinsteinModelId : mark;

    /// <summary>Tables in which this tenant has no row.</summary>
    public async Task<IReadOnlyList<string>> EmptyTablesAsync()
    {
        var picture = await PictureAsync();
        await using var scope = server.Server.Services.CreateAsyncScope();
        var tables = TenantRows.DependentsFirst(scope.ServiceProvider.GetRequiredService<PlatformDb>().Model);
        return [.. tables.Where(table => !picture.Any(line => line.StartsWith(table + ":", StringComparison.Ordinal)))];
    }

    /// <summary>Every row and every blob of the tenant, as text.</summary>
    public async Task<IReadOnlyList<string>> PictureAsync()
    {
        var lines = new List<string>();
        await using var scope = server.Server.Services.CreateAsyncScope();
        var tables = TenantRows.DependentsFirst(scope.ServiceProvider.GetRequiredService<PlatformDb>().Model);
        await using var connection = new SqliteConnection($"Data Source={Path.Combine(server.DataPath, "atoll.db")};Pooling=false");
        await connection.OpenAsync();
        foreach (var (table, column) in tables.Select(table => (table, "TenantId")).Append(("tenants", "Id")))
        {
            await using var command = connection.CreateCommand();
            command.CommandText = $"SELECT * FROM \"{table}\" WHERE \"{column}\" = $tenant";
            command.Parameters.AddWithValue("$tenant", TenantId);
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
                lines.Add($"{table}: {string.Join(" | ", Enumerable.Range(0, reader.FieldCount).Select(i => $"{reader.GetName(i)}={(reader.GetValue(i) is byte[] bytes ? Convert.ToHexString(bytes) : reader.GetValue(i))}"))}");
        }
        foreach (var folder in ((string[])["blobs", "predictions"]).Select(name => Path.Combine(server.DataPath, name, TenantId)).Where(Directory.Exists))
        {
            foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
                lines.Add($"blob {Path.GetFileName(file)}: {Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(file)))}");
        }
        lines.Sort(StringComparer.Ordinal);
        return lines;
    }
}
