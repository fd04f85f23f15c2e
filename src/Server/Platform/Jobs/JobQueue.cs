using System.Collections.Concurrent;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Jobs;

/// <summary>Puts jobs in line, hands them out by fair share between tenants, and takes back what a dead worker held.</summary>
internal sealed class JobQueue(TenantLimitsDirectory limits, TimeProvider clock)
{
    /// <summary>How long a worker owns a job without saying that it still lives.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan WaitStep = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan UsageHalfLife = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _arrivals = new();
    private readonly ConcurrentDictionary<string, (string TenantId, CancellationTokenSource Attempt)> _running = new();

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

    /// <summary>Saves the caller's unit of work together with a job, unless as many jobs of the tenant wait as may.</summary>
    public Task<Problem?> SaveWithJobAsync(PlatformDb db, string tenantId, JobKind kind, string subject, int priority, CancellationToken cancellationToken) =>
        SaveWithJobAsync(db, tenantId, kind, _ => Task.FromResult<string?>(subject), priority, cancellationToken);

    /// <inheritdoc cref="SaveWithJobAsync(PlatformDb, string, JobKind, string, int, CancellationToken)"/>
    /// <param name="add">Adds the subject and says its id, while nobody else can add one; null when it found that no job is needed.</param>
    public async Task<Problem?> SaveWithJobAsync(
        PlatformDb db, string tenantId, JobKind kind, Func<CancellationToken, Task<string?>> add, int priority, CancellationToken cancellationToken)
    {
        // Counted and saved in one transaction: many requests at once must not pass the limit together.
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            if (await add(cancellationToken) is not { } subject) return null;
            if (await CheckRoomAsync(db, tenantId, cancellationToken) is { } full) return full;
            Add(db, kind, subject, priority);
            await db.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        Announce(kind.Lane);
        return null;
    }

    /// <summary>Why another job of the tenant would be refused now; null when it would not. Asked before an upload is read.</summary>
    public async Task<Problem?> CheckRoomAsync(PlatformDb db, string tenantId, CancellationToken cancellationToken)
    {
        var most = limits.Of(tenantId);
        return await db.Jobs().CountAsync(job => job.TenantId == tenantId && job.State == JobState.Queued, cancellationToken) >= most.QueuedJobsMax
            ? LimitProblems.TooManyQueuedJobs(most)
            : null;
    }

    /// <summary>Wakes a worker of the lane.</summary>
    public void Announce(string lane)
    {
        // Workers that are busy look for the next job by themselves; for them no more than one announcement is kept.
        var arrivals = ArrivalsOf(lane);
        if (arrivals.CurrentCount == 0) arrivals.Release();
    }

    /// <summary>Waits for an announcement, or for <paramref name="patience"/>: other processes and backoff do not announce.</summary>
    public Task WaitAsync(string lane, TimeSpan patience, CancellationToken cancellationToken) =>
        ArrivalsOf(lane).WaitAsync(patience, cancellationToken);

    /// <summary>Takes the next job of a lane, or null.</summary>
    /// <remarks>
    /// Tenants that run as many as they may are passed over. The tenant with the fewest running jobs goes first, then the one that used the least lately; inside a tenant
    /// priority, then age. So a tenant with a thousand jobs cannot hold up one with a single job.
    /// </remarks>
    public async Task<Job?> ClaimAsync(PlatformDb db, string lane, string owner, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var jobs = db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(job => job.Lane == lane);

        // An idle worker asks often; it must not take the write lock each time.
        if (!await jobs.AnyAsync(job => job.State == JobState.Queued && job.NotBeforeUtc <= now, cancellationToken)) return null;

        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var waiting = await jobs.Where(job => job.State == JobState.Queued && job.NotBeforeUtc <= now)
            .Select(job => job.TenantId).Distinct().ToListAsync(cancellationToken);
        if (waiting.Count == 0) return null;

        var running = await db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(job => job.State == JobState.Running)
            .GroupBy(job => job.TenantId).Select(group => new { TenantId = group.Key, Count = group.Count(), InLane = group.Count(job => job.Lane == lane) })
            .ToDictionaryAsync(row => row.TenantId, cancellationToken);
        waiting.RemoveAll(id => running.GetValueOrDefault(id)?.Count >= limits.Of(id).RunningJobsMax);
        if (waiting.Count == 0) return null;
        var usages = await db.JobUsages().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(usage => usage.Lane == lane)
            .ToDictionaryAsync(usage => usage.TenantId, usage => Decayed(usage, now), cancellationToken);
        var tenant = waiting
            .OrderBy(id => running.GetValueOrDefault(id)?.InLane ?? 0)
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
        return await Owned(db, jobId, owner).ExecuteUpdateAsync(set => set.SetProperty(job => job.LeaseUntilUtc, until), cancellationToken) == 1;
    }

    /// <summary>
    /// Finds what nobody works on any more: leases that ran out, and with <paramref name="all"/> every running job
    /// (at start, when this process alone owns the data folder). The caller requeues or parks them.
    /// </summary>
    public async Task<IReadOnlyList<Job>> FindLostAsync(PlatformDb db, bool all, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var expired = await db.Jobs().AsNoTracking().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .Where(job => job.State == JobState.Running && (all || job.LeaseUntilUtc < now)).ToListAsync(cancellationToken);

        // What this process itself runs is alive, even if the machine slept through its lease.
        return [.. expired.Where(job => !_running.ContainsKey(job.Id))];
    }

    /// <summary>Asks the jobs of a subject to stop: at once when they only wait, else through the token of the attempt.</summary>
    /// <returns>
    /// Null: the subject has no job that could be stopped. <see cref="JobState.Cancelled"/>: it waited, no handler ran, and the caller
    /// brings the subject's row to its end. <see cref="JobState.Running"/>: the handler is told and will end the row.
    /// </returns>
    public async Task<JobState?> CancelAsync(PlatformDb db, string subject, CancellationToken cancellationToken)
    {
        // Single statements, each true at the moment it runs: a worker may claim or end the job at any time.
        var now = clock.GetUtcNow().UtcDateTime;
        var waiting = await db.Jobs().Where(job => job.Subject == subject && job.State == JobState.Queued)
            .ExecuteUpdateAsync(set => set
                .SetProperty(job => job.State, JobState.Cancelled)
                .SetProperty(job => job.EndedUtc, now)
                .SetProperty(job => job.Revision, job => job.Revision + 1), cancellationToken);
        if (waiting > 0) return JobState.Cancelled;

        var asked = await db.Jobs().Where(job => job.Subject == subject && job.State == JobState.Running)
            .ExecuteUpdateAsync(set => set
                .SetProperty(job => job.CancelRequested, true)
                .SetProperty(job => job.Revision, job => job.Revision + 1), cancellationToken);
        if (asked == 0) return null;
        await StopRequestedAsync(db, subject, cancellationToken);
        return JobState.Running;
    }

    /// <summary>Asks the jobs of a subject to stop; when no attempt runs, the subject's row is brought to its end in the same transaction.</summary>
    /// <param name="end">
    /// Ends the subject's row and saves. It is called when the job waited, and also when there is no open job at all: then an earlier
    /// cancellation was torn apart, and nobody else would ever end the row.
    /// </param>
    public async Task<JobState> CancelAsync(PlatformDb db, string subject, Func<CancellationToken, Task> end, CancellationToken cancellationToken)
    {
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            if (!await db.Jobs().AnyAsync(job => job.Subject == subject && job.State == JobState.Running, cancellationToken))
            {
                await CancelAsync(db, subject, cancellationToken);
                await end(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                return JobState.Cancelled;
            }

            await db.Jobs().Where(job => job.Subject == subject && job.State == JobState.Running)
                .ExecuteUpdateAsync(set => set
                    .SetProperty(job => job.CancelRequested, true)
                    .SetProperty(job => job.Revision, job => job.Revision + 1), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        // Outside of the transaction: what an attempt does when it is stopped may need the database's only write lock.
        await StopRequestedAsync(db, subject, cancellationToken);
        return JobState.Running;
    }

    /// <summary>Cancels a subject: at once when it waits, within moments when an attempt runs.</summary>
    /// <param name="endClock">Says when a row ended that is ended here.</param>
    /// <returns>What <see cref="CancelAsync(PlatformDb, string, Func{CancellationToken, Task}, CancellationToken)"/> does; null when the row, read anew, had ended by itself.</returns>
    public async Task<JobState?> CancelAsync(PlatformDb db, IJobSubject subject, TimeProvider endClock)
    {
        var hadEnded = false;
        // Whole or not at all, even if the caller hangs up meanwhile.
        var state = await CancelAsync(db, subject.Id, EndAsync, CancellationToken.None);
        return hadEnded ? null : state;

        async Task EndAsync(CancellationToken saving)
        {
            await db.Entry((object)subject).ReloadAsync(saving);
            hadEnded = subject.IsEnded;
            if (hadEnded) return;
            subject.Cancel(endClock.GetUtcNow().UtcDateTime);
            await db.SaveChangesAsync(saving);
        }
    }

    /// <summary>The subject's row as it is at its end, or when patience ends.</summary>
    public async Task<T> WaitAsync<T>(T subject, Func<string, CancellationToken, Task<T>> read, TimeSpan patience, CancellationToken cancellationToken) where T : IJobSubject
    {
        var until = clock.GetUtcNow() + patience;
        while (!subject.IsEnded && clock.GetUtcNow() < until)
        {
            await Task.Delay(WaitStep, clock, cancellationToken);
            subject = await read(subject.Id, cancellationToken);
        }
        return subject;
    }

    /// <summary>Stops what this process runs for a tenant whose rows are gone.</summary>
    public async Task StopTenantAsync(string tenantId)
    {
        foreach (var (running, attempt) in _running.Values)
            if (running == tenantId) await StopAsync(attempt);
    }

    /// <summary>This process works on a job of the tenant.</summary>
    public bool IsRunning(string tenantId) => _running.Values.Any(found => found.TenantId == tenantId);

    /// <summary>Wait before the next attempt: 1 s, 4 s, 16 s ...</summary>
    public static TimeSpan Backoff(int attempt) => TimeSpan.FromSeconds(Math.Min(600, Math.Pow(4, attempt - 1)));

    /// <summary>Gives back a job whose attempt broke, or that is not finished because the server stops.</summary>
    /// <returns>False: the job is not the owner's any more.</returns>
    public async Task<bool> RequeueAsync(PlatformDb db, Job job, string? owner, string? error, bool stopping, CancellationToken cancellationToken)
    {
        // A stop of the server is not the job's fault: the attempt does not count.
        var now = clock.GetUtcNow().UtcDateTime;
        var attempt = stopping ? job.Attempt - 1 : job.Attempt;
        var notBefore = stopping ? now : now + Backoff(job.Attempt);
        return await Owned(db, job.Id, owner).ExecuteUpdateAsync(set => set
            .SetProperty(row => row.State, JobState.Queued)
            .SetProperty(row => row.Attempt, attempt)
            .SetProperty(row => row.NotBeforeUtc, notBefore)
            .SetProperty(row => row.LeaseOwner, (string?)null)
            .SetProperty(row => row.LeaseUntilUtc, (DateTime?)null)
            .SetProperty(row => row.Error, error)
            .SetProperty(row => row.Revision, row => row.Revision + 1), cancellationToken) == 1;
    }

    /// <summary>Records how a job ended.</summary>
    /// <returns>False: the job is not the owner's any more.</returns>
    public async Task<bool> EndAsync(PlatformDb db, string jobId, string? owner, JobState state, string? error, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return await Owned(db, jobId, owner).ExecuteUpdateAsync(set => set
            .SetProperty(row => row.State, state)
            .SetProperty(row => row.EndedUtc, now)
            .SetProperty(row => row.LeaseOwner, (string?)null)
            .SetProperty(row => row.LeaseUntilUtc, (DateTime?)null)
            .SetProperty(row => row.Error, error)
            .SetProperty(row => row.Revision, row => row.Revision + 1), cancellationToken) == 1;
    }

    /// <summary>Books what an attempt took. False: the job is not the owner's any more, and nothing was booked.</summary>
    public async Task<bool> BookAsync(PlatformDb db, Job job, string owner, TimeSpan took, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (!await Owned(db, job.Id, owner).AnyAsync(cancellationToken)) return false;
        var usage = await db.JobUsages().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .SingleOrDefaultAsync(u => u.TenantId == job.TenantId && u.Lane == job.Lane, cancellationToken);
        if (usage is null) db.JobUsages().Add(usage = new JobUsage { TenantId = job.TenantId, Lane = job.Lane, UpdatedUtc = now });
        usage.Seconds = Decayed(usage, now) + took.TotalSeconds;
        usage.UpdatedUtc = now;
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    /// <summary>Jobs of every tenant that wait or run.</summary>
    public Dictionary<(string Kind, JobState State), int> CountOpen(PlatformDb db, IReadOnlyCollection<string> lanes) =>
        // The lanes are for the index: what has ended is kept, and is not to be walked.
        db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(job => lanes.Contains(job.Lane) && (job.State == JobState.Queued || job.State == JobState.Running))
            .GroupBy(job => new { job.Kind, job.State }).Select(group => new { group.Key.Kind, group.Key.State, Count = group.Count() })
            .ToDictionary(row => (row.Kind, row.State), row => row.Count);

    internal void Started(Job job, CancellationTokenSource attempt) => _running[job.Id] = (job.TenantId, attempt);

    internal void Ended(string jobId) => _running.TryRemove(jobId, out _);

    private static IQueryable<Job> Owned(PlatformDb db, string jobId, string? owner) => db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter])
        .Where(row => row.Id == jobId && row.LeaseOwner == owner && row.State == JobState.Running);

    private async Task StopRequestedAsync(PlatformDb db, string subject, CancellationToken cancellationToken)
    {
        var running = await db.Jobs().Where(job => job.Subject == subject && job.CancelRequested).Select(job => job.Id).ToListAsync(cancellationToken);
        foreach (var id in running)
            if (_running.TryGetValue(id, out var found)) await StopAsync(found.Attempt);
    }

    private static async Task StopAsync(CancellationTokenSource attempt)
    {
        try
        {
            await attempt.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It ended between our look and the call.
        }
    }

    private static double Decayed(JobUsage usage, DateTime now) =>
        usage.Seconds * Math.Pow(0.5, (now - usage.UpdatedUtc) / UsageHalfLife);

    private SemaphoreSlim ArrivalsOf(string lane) => _arrivals.GetOrAdd(lane, static _ => new SemaphoreSlim(0));
}
