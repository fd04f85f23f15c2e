using System.Reflection;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace Atoll.Platform.Database.Migrations;

/// <summary>A migration whose statements stand in an embedded file of the same name beside this one.</summary>
internal abstract class SqlFileMigration(string file) : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        var name = $"{typeof(SqlFileMigration).Namespace}.{file}";
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The migration {name} is not in the assembly.");
        using var reader = new StreamReader(stream);
        migrationBuilder.Sql(reader.ReadToEnd());
    }
}

/// <summary>The tables as they were first.</summary>
/// <remarks>
/// Until the first release this file is rewritten from the model: <c>UPDATE_GOLDEN=1 ./test --filter Schema</c>.
/// Afterwards every change is a migration of its own.
/// </remarks>
[DbContext(typeof(SqlitePlatformDb))]
[Migration("0001_Initial")]
internal sealed class Initial() : SqlFileMigration("Sqlite_0001_Initial.sql");
