using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Atoll.Platform.Database;

/// <summary>Registers and prepares the SQLite database of a data folder.</summary>
internal static class SqliteDatabase
{
    public static void AddSqliteDatabase(this IServiceCollection services)
    {
        services.AddScoped<TenantScope>();
        services.AddDbContext<PlatformDb, SqlitePlatformDb>((provider, options) =>
        {
            var folder = provider.GetRequiredService<DataFolder>();
            Configure(options, folder.DatabaseFile);
        });
    }

    public static void Configure(DbContextOptionsBuilder options, string file) => options
        .UseSqlite(new SqliteConnectionStringBuilder
        {
            DataSource = file,
            ForeignKeys = true,
            DefaultTimeout = 30,
            Pooling = true,
        }.ToString())
        // Migrations are SQL files, so there is no snapshot of the model to compare with; a test compares the schemas instead.
        .ConfigureWarnings(warnings => warnings.Ignore(RelationalEventId.PendingModelChangesWarning))
        .AddInterceptors(DurableConnections.Instance);

    /// <summary>Brings the database to the newest schema.</summary>
    public static async Task MigrateAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await db.Database.MigrateAsync(cancellationToken);
    }

    /// <summary>Sets what SQLite forgets between connections.</summary>
    private sealed class DurableConnections : DbConnectionInterceptor
    {
        public static readonly DurableConnections Instance = new();

        // WAL lets readers go on while one writes. FULL makes a commit reach the disk before it is acknowledged, also at a
        // power failure; NORMAL would be faster and may lose the last commits then.
        private const string Pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000;";

        public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
        {
            using var command = connection.CreateCommand();
            command.CommandText = Pragmas;
            command.ExecuteNonQuery();
        }

        public override async Task ConnectionOpenedAsync(
            DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = Pragmas;
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
