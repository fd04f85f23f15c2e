using System.Globalization;
using Atoll.Tenancy;
using Microsoft.Data.Sqlite;

namespace Atoll.Benchmarks;

/// <summary>Makes a data folder with very many deployed models, by copying the rows that the server wrote for one.</summary>
/// <remarks>
/// Every copy has a tenant, a principal, a key and models with endpoints of its own, as the server's own code would have made them; whichever columns a table has are copied. Digests are
/// random, so that no two models are one in memory. Only the tenants that a caller names get files and a known key: a million files say nothing about a database.
/// </remarks>
internal static class DeployedModels
{
    public const int PerTenant = 10;

    // What a copy has of its own: t is the tenant's number, m the model's.
    private static readonly (string Table, bool PerModel, (string Column, string Value)[] Own)[] Tables =
    [
        ("tenants", false, [("Id", Tenant), ("Name", "'customer-' || t")]),
        ("principals", false, [("Id", Principal), ("TenantId", Tenant)]),
        ("grants", false, [("PrincipalId", Principal), ("TenantId", Tenant)]),
        ("api_keys", false, [("Id", "printf('key_%026d', t)"), ("PrincipalId", Principal), ("TenantId", Tenant), ("Hash", Digest)]),
        ("models", true, [("Id", Model), ("TenantId", Tenant), ("Name", "'model-' || m")]),
        ("model_versions", true, [("Id", $"printf('mv_%026d', t * {Per} + m)"), ("ModelId", Model), ("TenantId", Tenant), ("Digest", Digest), ("ServingDigest", Digest), ("ReportDigest", Digest)]),
        ("model_aliases", true, [("ModelId", Model), ("TenantId", Tenant)]),
        ("endpoints", true, [("Id", $"printf('ept_%026d', t * {Per} + m)"), ("ModelId", Model), ("TenantId", Tenant), ("Name", "'model-' || m")]),
    ];

    private const string Per = "10";
    private const string Tenant = "printf('ten_%026d', t)";
    private const string Principal = "printf('prn_%026d', t)";
    private const string Model = $"printf('mdl_%026d', t * {Per} + m)";
    private const string Digest = "lower(hex(randomblob(32)))";

    /// <summary>Fills a new folder.</summary>
    /// <param name="called">Numbers of tenants whose models can be called.</param>
    /// <returns>The keys of those tenants, whose models are called model-0 to model-9.</returns>
    public static async Task<IReadOnlyList<string>> FillAsync(string folder, ServedModel model, int models, IReadOnlyList<int> called)
    {
        var keys = await BenchServer.FillAsync(folder, 1, [model with { Name = "template" }]);
        var tenants = models / PerTenant;
        await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path.Combine(folder, "atoll.db"), Pooling = false }.ToString());
        await connection.OpenAsync();
        await ExecuteAsync("PRAGMA synchronous=OFF; PRAGMA cache_size=-500000; BEGIN");
        var template = (string)(await ReadAsync($"SELECT TenantId FROM api_keys WHERE Hash = '{ApiKeys.HashOf(keys[0])}'"))!;
        foreach (var (table, perModel, own) in Tables)
        {
            var columns = await ColumnsAsync(table);
            if (own.Select(pair => pair.Column).Except(columns).ToList() is { Count: > 0 } missing) throw new InvalidOperationException($"The table {table} has no column {missing[0]} any more.");
            var values = columns.Select(column => own.FirstOrDefault(pair => pair.Column == column).Value ?? $"source.\"{column}\"");
            var rows = perModel ? $"WITH RECURSIVE tenants_(t) AS (SELECT 0 UNION ALL SELECT t + 1 FROM tenants_ WHERE t + 1 < {tenants}), models_(m) AS (SELECT 0 UNION ALL SELECT m + 1 FROM models_ WHERE m + 1 < {PerTenant})"
                : $"WITH RECURSIVE tenants_(t) AS (SELECT 0 UNION ALL SELECT t + 1 FROM tenants_ WHERE t + 1 < {tenants})";
            await ExecuteAsync(
                $"{rows} INSERT INTO \"{table}\" ({string.Join(", ", columns.Select(column => $"\"{column}\""))}) SELECT {string.Join(", ", values)} "
                + $"FROM tenants_{(perModel ? ", models_" : "")}, \"{table}\" AS source WHERE source.\"{(table == "tenants" ? "Id" : "TenantId")}\" = '{template}'");
        }

        var callable = new List<string>();
        foreach (var tenant in called)
        {
            var id = string.Create(CultureInfo.InvariantCulture, $"ten_{tenant:D26}");
            var key = $"atl_bench{tenant.ToString(CultureInfo.InvariantCulture).PadLeft(27, '0')}";
            callable.Add(key);
            await ExecuteAsync($"UPDATE api_keys SET Hash = '{ApiKeys.HashOf(key)}' WHERE TenantId = '{id}'");
            await ExecuteAsync(
                $"UPDATE model_versions SET (Digest, ServingDigest, ReportDigest) = (SELECT Digest, ServingDigest, ReportDigest FROM model_versions WHERE TenantId = '{template}') WHERE TenantId = '{id}'");
            CopyFiles(Path.Combine(folder, "blobs", template), Path.Combine(folder, "blobs", id));
        }
        await ExecuteAsync("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
        return callable;

        async Task ExecuteAsync(string sql)
        {
            await using var command = connection.CreateCommand();
            command.CommandTimeout = 0;
            command.CommandText = sql;
            await command.ExecuteNonQueryAsync();
        }

        async Task<object?> ReadAsync(string sql)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            return await command.ExecuteScalarAsync();
        }

        async Task<List<string>> ColumnsAsync(string table)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = $"SELECT name FROM pragma_table_info('{table}')";
            await using var reader = await command.ExecuteReaderAsync();
            var names = new List<string>();
            while (await reader.ReadAsync()) names.Add(reader.GetString(0));
            return names;
        }
    }

    private static void CopyFiles(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
