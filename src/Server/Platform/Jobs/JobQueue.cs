using System.Collections.Concurrent;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Jobs;

/// <summary>Puts jobs in line, hands them out by fair share between tenants, and takes back what a dead worker held.</summary>
internal sealed class JobQueue(TimeProvider clock)
{
    /// <summary>How long a worker owns a job without saying that it still lives.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan UsageHalfLife = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _arrivals = new();
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _running = new();

    /// <summary>Adds a job to the caller's unit of work; it is seen once that is saved and <see cref="Announce"/> called.</summary>
    public Job Add(PlatformDb db, JobKind kind, string subject, int priority = 0, int attemptsMax = 3)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var job = new Job
        {
            Id = Ids.New("job", clock),
            Kind = kind.Kind,
            Lane = kind.Lane,
            Subject = subject,
            State = JobState.Queued,
            Priority = priority,
            AttemptsMax = attemptsMax,
            CreatedUtc = now,
            NotBeforeUtc = now,
        };
        db.Jobs().Add(job);
        return job;
    }

    /// <summary>Wakes a worker of the lane.</summary>
    public void Announce(string lane) => ArrivalsOf(lane).Release();

    /// <summary>Waits for an announcement, or for <paramref name="patience"/>: other processes and backoff do not announce.</summary>
    public Task WaitAsync(string lane, TimeSpan patience, CancellationToken cancellationToken) =>
        ArrivalsOf(lane).WaitAsync(patience, cancellationToken);

    /// <summary>Takes the next job of a lane, or null.</summary>
    /// <remarks>
    /// The tenant with the fewest running jobs goes first, then the one that used the least lately; inside a tenant
    /// priority, then age. So a tenant with a thousand jobs cannot hold up one with a single job.
    /// </remarks>
    public async Task<Job?> ClaimAsync(PlatformDb db, string lane, string owner, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var jobs = db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(job => job.Lane == lane);
        var waiting = await jobs.Where(job => job.State == JobState.Queued && job.NotBeforeUtc <= now)
            .Select(job => job.TenantId).Distinct().ToListAsync(cancellationToken);
        if (waiting.Count == 0) return null;

        var running = await jobs.Where(job => job.State == JobState.Running)
            .GroupBy(job => job.TenantId).Select(group => new { TenantId = group.Key, Count = group.Count() })
            .ToDictionaryAsync(row => row.TenantId, row => row.Count, cancellationToken);
        var usages = await db.JobUsages().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(usage => usage.Lane == lane)
            .ToDictionaryAsync(usage => usage.TenantId, usage => Decayed(usage, now), cancellationToken);
        var tenant = waiting
            .OrderBy(id => running.GetValueOrDefault(id))
            .ThenBy(id => usages.GetValueOrDefault(id))
            .ThenBy(id => id, StringComparer.Ordinal)
            .First();

        var next = await jobs.Where(job => job.State == JobState.Queued && job.NotBeforeUtc <= now && job.TenantId == tenant)
            .OrderByDescending(job => job.Priority).ThenBy(job => job.CreatedUtc).ThenBy(job => job.Id)
            .FirstAsync(cancellationToken);
        next.State = JobState.Running;
        next.Attempt++;
        next.StartedUtc = now;
        next.LeaseOwner = owner;
        next.LeaseUntilUtc = now + Lease;
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return next;
    }

    /// <summary>Says that the owner still works on the job. False when the lease was lost; the work must stop.</summary>
    public async Task<bool> RenewAsync(PlatformDb db, string jobId, string owner, CancellationToken cancellationToken)
    {
        var until = clock.GetUtcNow().UtcDateTime + Lease;
        return await db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .Where(job => job.Id == jobId && job.LeaseOwner == owner && job.State == JobState.Running)
            .ExecuteUpdateAsync(set => set.SetProperty(job => job.LeaseUntilUtc, until), cancellationToken) == 1;
    }

    /// <summary>
    /// Requeues what nobody works on any more: leases that ran out, and with <paramref name="all"/> every running job
    /// (at start, when this process alone owns the data folder). Jobs out of attempts are returned, to be parked by their handlers.
    /// </summary>
    public async Task<IReadOnlyList<Job>> RecoverAsync(PlatformDb db, bool all, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var expired = await db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .Where(job => job.State == JobState.Running && (all || job.LeaseUntilUtc < now)).ToListAsync(cancellationToken);

        // What this process itself runs is alive, even if the machine slept through its lease.
        var lost = expired.Where(job => !_running.ContainsKey(job.Id)).ToList();
        foreach (var job in lost.Where(job => job.Attempt < job.AttemptsMax))
        {
            job.State = JobState.Queued;
            job.NotBeforeUtc = now + Backoff(job.Attempt);
            job.LeaseOwner = null;
            job.LeaseUntilUtc = null;
            job.Error = "The process that worked on it died.";
        }
        await db.SaveChangesAsync(cancellationToken);
        return [.. lost.Where(job => job.State == JobState.Running)];
    }

    /// <summary>Asks a job to stop: at once when it only waits, else through the token of its attempt.</summary>
    public async Task<JobState?> CancelAsync(PlatformDb db, string subject, CancellationToken cancellationToken)
    {
        var job = await db.Jobs().SingleOrDefaultAsync(j => j.Subject == subject, cancellationToken);
        if (job is null) return null;
        if (job.State == JobState.Queued)
        {
            job.State = JobState.Cancelled;
            job.EndedUtc = clock.GetUtcNow().UtcDateTime;
        }
        else if (job.State == JobState.Running)
        {
            job.CancelRequested = true;
        }
        await db.SaveChangesAsync(cancellationToken);
        if (job.State == JobState.Running && _running.TryGetValue(job.Id, out var attempt)) await attempt.CancelAsync();
        return job.State;
    }

    /// <summary>Wait before the next attempt: 1 s, 4 s, 16 s ...</summary>
    public static TimeSpan Backoff(int attempt) => TimeSpan.FromSeconds(Math.Min(600, Math.Pow(4, attempt - 1)));

    /// <summary>Books what an attempt took.</summary>
    public async Task BookAsync(PlatformDb db, string tenantId, string lane, TimeSpan took, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var usage = await db.JobUsages().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .SingleOrDefaultAsync(u => u.TenantId == tenantId && u.Lane == lane, cancellationToken);
        if (usage is null) db.JobUsages().Add(usage = new JobUsage { TenantId = tenantId, Lane = lane, UpdatedUtc = now });
        usage.Seconds = Decayed(usage, now) + took.TotalSeconds;
        usage.UpdatedUtc = now;
        await db.SaveChangesAsync(cancellationToken);
    }

    internal void Started(string jobId, CancellationTokenSource attempt) => _running[jobId] = attempt;

    internal void Ended(string jobId) => _running.TryRemove(jobId, out _);

    private static double Decayed(JobUsage usage, DateTime now) =>
        usage.Seconds * Math.Pow(0.5, (now - usage.UpdatedUtc) / UsageHalfLife);

    private SemaphoreSlim ArrivalsOf(string lane) => _arrivals.GetOrAdd(lane, static _ => new SemaphoreSlim(0));
}
