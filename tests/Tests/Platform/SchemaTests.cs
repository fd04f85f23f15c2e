using System.Runtime.CompilerServices;
using Atoll.Platform.Database;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Atoll.Tests.Platform;

public sealed class SchemaTests
{
    [Fact]
    public void Schema_of_the_migrations_is_the_schema_of_the_model()
    {
        using var model = Open();
        var script = model.Database.GenerateCreateScript();
        var file = Path.Combine(SourceFolder(), "../../../src/Server/Platform/Database/Migrations/Sqlite_0001_Initial.sql");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1") File.WriteAllText(file, script.ReplaceLineEndings("\n"));

        using var migrated = Open();
        migrated.Database.ExecuteSqlRaw(File.ReadAllText(file).Replace("{", "{{").Replace("}", "}}"));
        model.Database.ExecuteSqlRaw(script.Replace("{", "{{").Replace("}", "}}"));
        Assert.Equal(Objects(model), Objects(migrated));
        Assert.NotEmpty(Objects(model));
    }

    private static SqlitePlatformDb Open()
    {
        var connection = new SqliteConnection("Data Source=:memory:");
        connection.Open();
        var options = new DbContextOptionsBuilder<SqlitePlatformDb>().UseSqlite(connection).Options;
        return new SqlitePlatformDb(options, new TenantScope());
    }

    private static List<string> Objects(PlatformDb db) =>
        [.. db.Database.SqlQueryRaw<string>("SELECT sql AS Value FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")];

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
